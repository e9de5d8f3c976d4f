"""Money and times as people read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from orderapp.currencies import amount_text
from orderapp.domain.money import Money

NOTHING = "\N{EN DASH}"


def sum_text(amounts: Iterable[Money]) -> str:
    """Return the sum of amounts as text, one part per currency; a dash if there are no amounts."""
    by_currency: dict[str, Money] = {}
    for amount in amounts:
        known = by_currency.get(amount.currency)
        by_currency[amount.currency] = amount if known is None else known + amount
    return " + ".join(amount_text(amount) for amount in by_currency.values()) or NOTHING


def moment(at: dt.datetime) -> str:
    """Return a time as text in UTC: "22 Nov 2026, 21:03:05 UTC"."""
    return f"{at.astimezone(dt.UTC):%-d %b %Y, %H:%M:%S} UTC"


def duration(seconds: int) -> str:
    """Return how long to wait, rounded up: "1 second", "45 seconds", "10 minutes", "3 hours"."""
    for unit_seconds, unit in ((3600, "hour"), (60, "minute")):
        if seconds >= 2 * unit_seconds:
            return f"{-(-seconds // unit_seconds)} {unit}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
