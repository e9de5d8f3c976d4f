"""Reads e-mail addresses; the error for a wrong one tells the customer what to correct."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

EMAIL_LIKE = "write it like name@example.com."
MAX_LOCAL_CHARACTERS = 64  # RFC 5321, 4.5.3.1.1


class NoAddress(ValueError):
    """A text isn't an e-mail address; the error's text says why."""


def read_email(typed: str) -> str:
    """Return an e-mail address in the form used for sending. Raises NoAddress."""
    try:
        # Don't ask the network now whether the domain accepts mail: sending will show that.
        read = validate_email(typed, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise NoAddress(_problem_of(typed)) from error
    return read.ascii_email or typed


def _problem_of(address: str) -> str:
    before, at, after = address.rpartition("@")
    if not at:
        return f"The @ is missing; {EMAIL_LIKE}"
    if "@" in before:
        return f"There is more than one @; {EMAIL_LIKE}"
    if not before:
        return f"What stands before the @ is missing; {EMAIL_LIKE}"
    if "." not in after.strip("."):
        return f"What stands after the @ isn't complete; {EMAIL_LIKE}"
    if not before.isascii():
        return "We can't send to addresses with letters such as ä before the @; use another one."
    if len(before) > MAX_LOCAL_CHARACTERS:
        return f"There are more than {MAX_LOCAL_CHARACTERS} characters before the @; no mailbox has so many."
    return f"Mail can't be sent to this; {EMAIL_LIKE}"
