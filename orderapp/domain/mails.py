"""A mail to somebody who runs the shop, such as an alert; not to a customer, whose messages are effects of an order."""

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
    """

    key: str
    recipient: str
    subject: str
    text: str
    html: str = ""
