"""Currencies by ISO 4217: which there are, how many digits their minor units take, and amounts as people read them.

What a country shows in its shops is another thing: CLDR shows no digits of the Serbian dinar, whose minor unit is its
hundredth all the same. Every interface states amounts in ISO's minor units, so every text is made with ISO's digits.
"""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

from orderapp.domain.money import Money

LOCALE = "en"  # the language of all pages and mails
# Those without minor units (gold, the code for tests) aren't money that a shop takes.
_DIGITS = {one.code: one.exponent for one in Currency if one.exponent is not None}


def is_currency(code: str) -> bool:
    """Return whether a code is one of a currency that is in use and has minor units."""
    return code in _DIGITS


def minor_digits(code: str) -> int:
    """Return how many digits a currency's minor units take: 2 for EUR and RSD, 0 for JPY, 3 for KWD.

    Orders may be older than ISO's present table; of a currency that is gone from it, CLDR's digits are what is known.
    """
    known = _DIGITS.get(code)
    return get_currency_precision(code) if known is None else known


def amount_text(amount: Money) -> str:
    """Return an amount as text: Money(1250, "EUR") is "€12.50", Money(500, "JPY") is "¥500"."""
    digits = minor_digits(amount.currency)
    pattern = "\N{CURRENCY SIGN}#,##0" + "." * bool(digits) + "0" * digits
    units = Decimal(amount.minor).scaleb(-digits)
    return format_currency(units, amount.currency, pattern, locale=LOCALE, currency_digits=False)
