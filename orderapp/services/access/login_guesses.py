"""Holds back whoever guesses passwords of staff, without locking anybody out of their own account."""

from __future__ import annotations

import threading
import time

import structlog

from orderapp.domain.networks import UNKNOWN
from orderapp.errors import TooManyAttempts
from orderapp.services.access import attempt_counters

log = structlog.get_logger()

# Wrong passwords from one place before it has to wait: enough for people, too few for guessing.
WRONG_PASSWORDS = 5
WRONG_PASSWORDS_WINDOW_SECONDS = 300
# Wrong passwords for one account, from anywhere, before each further try waits: many times what its owner mistypes.
WRONG_ON_ACCOUNT = 20
WRONG_ON_ACCOUNT_WINDOW_SECONDS = 3600
# People hardly notice; from however many addresses, an account is tried at most SLOWED_AT_ONCE / SLOWED_SECONDS times a
# second and process. The account is never locked: that would be a way to lock out its owner.
SLOWED_SECONDS = 2.0
SLOWED_AT_ONCE = 2  # of the 16 threads of a web process
_slowed = threading.BoundedSemaphore(SLOWED_AT_ONCE)


def count_try(place: str, account: str) -> None:
    """Count a try before its password is looked at, so that tries at the same moment are counted as well.

    Transaction: three, each of one statement, committed here; none is open while a try waits.

    Args:
        place: Where it came from. UNKNOWN is no place: it would be everybody's, and a stranger could lock out all.
        account: Whose password it is to be, known or not.

    Raises:
        TooManyAttempts: too many wrong ones came from there, or too many tries wait; this one isn't looked at.

    """
    if place != UNKNOWN:
        attempt_counters.count(_of_place(place), WRONG_PASSWORDS, WRONG_PASSWORDS_WINDOW_SECONDS)
    attempt_counters.tally(_of_both(place, account), WRONG_PASSWORDS_WINDOW_SECONDS)
    tried = attempt_counters.tally(_of_account(account), WRONG_ON_ACCOUNT_WINDOW_SECONDS)
    if tried.attempts > WRONG_ON_ACCOUNT:
        _slow_down(tried.attempts)


def forgive(place: str, account: str) -> None:
    """Take back what was counted for an account from the place where its owner got in: it was mistyped there.

    What came from there for other accounts still counts, and so does what came for this one from elsewhere.
    Transaction: three, committed here.
    """
    mistyped = attempt_counters.forget(_of_both(place, account))
    for bucket_parts in (_of_place(place), _of_account(account)):
        attempt_counters.take_back(bucket_parts, mistyped)


def _slow_down(attempts: int) -> None:
    log.warning("staff.login_slowed", attempts=attempts)
    if not _slowed.acquire(blocking=False):
        raise TooManyAttempts(attempt_counters.TOO_MANY, round(SLOWED_SECONDS))
    try:
        time.sleep(SLOWED_SECONDS)
    finally:
        _slowed.release()


def _of_place(place: str) -> tuple[str, ...]:
    return ("staff-password", place)


def _of_both(place: str, account: str) -> tuple[str, ...]:
    return ("staff-password", place, account)


def _of_account(account: str) -> tuple[str, ...]:
    return ("staff-account", account)
