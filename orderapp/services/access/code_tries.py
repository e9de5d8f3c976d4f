"""Limits guessing of the codes of a second factor."""

from __future__ import annotations

from orderapp.services.access import attempt_counters

# Three of a million codes are right at a time: at ten tries an hour, a guesser needs years. Who can try has the
# password already, so that a stranger can't lock the owner out.
TRIES = 10
TRIES_WINDOW_SECONDS = 3600


def count_try(staff_id: int) -> None:
    """Count a try before its code is checked. Transaction: one, committed here. Raises TooManyAttempts."""
    attempt_counters.count(_of(staff_id), TRIES, TRIES_WINDOW_SECONDS)


def forgive(staff_id: int) -> None:
    """Forget the tries of somebody whose code was right. Transaction: one, committed here."""
    attempt_counters.forget(_of(staff_id))


def _of(staff_id: int) -> tuple[str | int, ...]:
    return ("staff-code", staff_id)
