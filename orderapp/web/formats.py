"""Money and times as people read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision

from orderapp.domain.money import Money

LOCALE = "en"  # the language of all pages
NOTHING = "\N{EN DASH}"


def money(amount: Money) -> str:
    """Return an amount as text: Money(1250, "EUR") is "€12.50", Money(500, "JPY") is "¥500"."""
    units = Decimal(amount.minor).scaleb(-get_currency_precision(amount.currency))
    return format_currency(units, amount.currency, locale=LOCALE)


def sum_text(amounts: Iterable[Money]) -> str:
    """Return the sum of amounts as text, one part per currency; a dash where there is nothing to add."""
    by_currency: dict[str, Money] = {}
    for amount in amounts:
        known = by_currency.get(amount.currency)
        by_currency[amount.currency] = amount if known is None else known + amount
    return " + ".join(money(amount) for amount in by_currency.values()) or NOTHING


def moment(at: dt.datetime) -> str:
    """Return a time as text in UTC: "22 Nov 2026, 21:03:05 UTC"."""
    return f"{at.astimezone(dt.UTC):%-d %b %Y, %H:%M:%S} UTC"
