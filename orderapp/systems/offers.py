"""Reads discounts from answers: `{"kind": "percent", "value"}` or `{"kind": "amount", "value", "currency"}`."""

from __future__ import annotations

from typing import Any

from orderapp.domain.money import MAX_MINOR
from orderapp.domain.outcome import Quote
from orderapp.systems.answers import Received, unreadable, whole


def same_code(answered: Any, asked: str) -> bool:
    """Return whether an answer is about the code that was asked for; systems may correct its capitals.

    Example:
        >>> same_code("SPRING", "spring"), same_code(None, "spring")
        (True, False)
    """
    return isinstance(answered, str) and answered.casefold() == asked.casefold()


def as_answered(answered: Any, asked: str) -> str:
    """Return a code in the system's spelling, or as it was asked for if the answer contains no valid code.

    Example:
        >>> as_answered("SPRING", "spring"), as_answered("something else", "spring")
        ('SPRING', 'spring')
    """
    usable = isinstance(answered, str) and len(answered) == len(asked) and answered.isascii()
    return answered if usable and same_code(answered, asked) else asked


def read_offer(code: str, offer: Any, received: Received) -> Quote:
    """Return the quote for an offer, `{"kind": "percent", "value"}` or `{"kind": "amount", "value", "currency"}`.

    Args:
        code: The customer's code, as the system spells it.
        offer: The offer in the answer; one that isn't of the documented form is no usable answer.
        received: The whole answer.
    """
    if not isinstance(offer, dict):
        return Quote(unreadable(received))
    kind, value, currency = offer.get("kind"), whole(offer.get("value")), offer.get("currency", "")
    if value is None:
        return Quote(unreadable(received))
    if kind == "percent" and 0 <= value <= 100:
        return Quote(received.answer, code=code, kind="percent", value=value)
    if kind == "amount" and 0 <= value <= MAX_MINOR and isinstance(currency, str) and len(currency) == 3:
        return Quote(received.answer, code=code, kind="amount", value=value, currency=currency)
    return Quote(unreadable(received))
