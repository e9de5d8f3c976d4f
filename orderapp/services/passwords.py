"""Staff passwords: which are accepted, how they are kept, whether one is right."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 8  # OWASP ASVS 5.0, 6.2.1
MAX_CHARACTERS = 128  # room for long passphrases; a bound, so that nobody makes us hash megabytes
# OWASP's least for Argon2id; about 30 ms and 19 MiB a try, which a burst of logins can't turn into an outage.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Of the 10,000 passwords found most often in public leaks, those that are long enough to be accepted otherwise.
COMMON_PASSWORDS = Path(__file__).with_name("common_passwords.txt")


def problem_of(password: str, email: str) -> str | None:
    """Return why a password isn't accepted for the account `email`, or None where it is."""
    if len(password) < MIN_CHARACTERS:
        return f"Use at least {MIN_CHARACTERS} characters."
    if len(password) > MAX_CHARACTERS:
        return f"Use at most {MAX_CHARACTERS} characters."
    if not _can_be_encoded(password):
        return "Contains characters that can't be used."
    folded = password.casefold()
    if folded in _common() or folded in {email.casefold(), email.casefold().partition("@")[0]}:
        return "This password is among the first that are guessed; choose another one."
    return None


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters and salt."""
    return _hasher.hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Return whether a password belongs to a hash; None stands for "no such account" and takes as long."""
    if len(password) > MAX_CHARACTERS or not _can_be_encoded(password):
        password, password_hash = "", None
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def _can_be_encoded(password: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in password)


@cache
def _common() -> frozenset[str]:
    return frozenset(COMMON_PASSWORDS.read_text(encoding="utf-8").splitlines())


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")
