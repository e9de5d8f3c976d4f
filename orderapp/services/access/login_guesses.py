"""Limits guessing of staff passwords, without locking owners out of their accounts."""

from __future__ import annotations

import threading
import time

import structlog

from orderapp.domain.networks import UNKNOWN
from orderapp.errors import TooManyAttempts
from orderapp.services.access import attempt_counters

log = structlog.get_logger()

# Wrong passwords from one place before it must wait: enough for people, too few for guessing.
WRONG_PASSWORDS = 5
WRONG_PASSWORDS_WINDOW_SECONDS = 300
# Wrong passwords for one account, from anywhere, before each further try waits: far more than its owner mistypes.
WRONG_ON_ACCOUNT = 20
WRONG_ON_ACCOUNT_WINDOW_SECONDS = 3600
# People hardly notice the delay. From any number of addresses, a process checks at most SLOWED_AT_ONCE / SLOWED_SECONDS
# passwords per second. The account is never locked, because an attacker could use that to lock out its owner.
SLOWED_SECONDS = 2.0
SLOWED_AT_ONCE = 2  # of the 16 threads of a web process
_slowed = threading.BoundedSemaphore(SLOWED_AT_ONCE)


def count_try(place: str, account: str) -> None:
    """Count a try before its password is checked, so that tries at the same time are all counted.

    Transaction: three, each of one statement, committed here; none is open while a try waits.

    Args:
        place: Where it came from. UNKNOWN isn't counted: everybody would share it, and a stranger could lock all out.
        account: The name of the account, whether it exists or not.

    Raises:
        TooManyAttempts: too many wrong passwords came from there, or too many tries wait; this one isn't checked.
    """
    if place != UNKNOWN:
        attempt_counters.count(_of_place(place), WRONG_PASSWORDS, WRONG_PASSWORDS_WINDOW_SECONDS)
    attempt_counters.tally(_of_both(place, account), WRONG_PASSWORDS_WINDOW_SECONDS)
    tried = attempt_counters.tally(_of_account(account), WRONG_ON_ACCOUNT_WINDOW_SECONDS)
    if tried.attempts > WRONG_ON_ACCOUNT:
        _slow_down(tried.attempts)


def forgive(place: str, account: str) -> None:
    """Take back an account's counted tries from the place of a successful login, because its owner mistyped them.

    Tries from there for other accounts still count, and so do tries for this account from other places.
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
