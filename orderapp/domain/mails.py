"""A mail that is no effect of an order, such as an alert to staff, or a code that proves an address."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail.

    Args:
        key: What tells it apart; a repeat has the same one, so that a mail program can recognise it.
        recipient: The e-mail address.
        subject: One line.
        text: All of it, as plain text.
        html: The same as HTML; empty for plain text alone.
        language: The code of the language that it is written in.
    """

    key: str
    recipient: str
    subject: str
    text: str
    html: str = ""
    language: str = "en"
