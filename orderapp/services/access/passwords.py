"""Staff passwords: which are accepted, how they are stored, whether one is right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARACTERS = 8  # OWASP ASVS 5.0, 6.2.1
MAX_CHARACTERS = 128  # enough for long passphrases; limited, so that nobody makes us hash megabytes
# OWASP's minimum for Argon2id: about 30 ms and 19 MiB per try, so a burst of logins causes no outage.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# How many guesses a cracking program, which knows common passwords, words, names and dates, must need at least. Logins
# are slowed, so a thousandth would be enough for them; the rest protects a stolen hash.
LEAST_GUESSES = 10**8
LONGEST_JUDGED = 72  # characters; judging more is slow, and a longer password is at least as strong
_WORD = re.compile(r"[^\W_]{3,}")


def problem_of(password: str, email: str, shop: str) -> str | None:
    """Return why a password isn't accepted, or None where it is.

    Args:
        password: The chosen password.
        email: The account it is for.
        shop: The shop's address; like the account's name, it makes a password easy to guess.
    """
    if len(password) < MIN_CHARACTERS:
        return f"Use at least {MIN_CHARACTERS} characters."
    if len(password) > MAX_CHARACTERS:
        return f"Use at most {MAX_CHARACTERS} characters."
    if not _can_be_encoded(password):
        return "Contains characters that can't be used."
    from zxcvbn import zxcvbn  # noqa: PLC0415 - its dictionaries fill 12 MB, in processes that judge a password only

    known = [email, "orderapp", *_WORD.findall(f"{email} {shop}")]
    judged = zxcvbn(password[:LONGEST_JUDGED], user_inputs=known)
    if judged["guesses"] < LEAST_GUESSES:
        return f"This password is guessed too soon; choose another one, such as four words. {_why(judged)}".strip()
    return None


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password, with its parameters and salt."""
    return _hasher.hash(password)


def is_right(password: str, password_hash: str | None) -> bool:
    """Return whether a password belongs to a hash; None or empty stands for "there is none" and takes as long."""
    if len(password) > MAX_CHARACTERS or not _can_be_encoded(password):
        password, password_hash = "", None
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def _can_be_encoded(password: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in password)


def _why(judged: Mapping[str, Any]) -> str:
    return str(judged["feedback"]["warning"] or "")


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")
