"""Currencies of ISO 4217: which exist, how many digits their minor units have, and amounts as text for people.

The digits that shops in a country show may differ: CLDR shows none for the Serbian dinar, though its minor unit is a
hundredth. Every interface states amounts in ISO's minor units, so every text has ISO's digits.
"""

from __future__ import annotations

from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

from orderapp.domain.money import Money

# Codes without minor units (gold, the code for tests) are not money that a shop takes.
_DIGITS = {one.code: one.exponent for one in Currency if one.exponent is not None}


def is_currency(code: str) -> bool:
    """Return whether a code belongs to a currency that is in use and has minor units."""
    return code in _DIGITS


def minor_digits(code: str) -> int:
    """Return how many digits a currency's minor units have: 2 for EUR and RSD, 0 for JPY, 3 for KWD.

    Old orders may have a currency that is no longer in ISO's table; then CLDR's digits are used.
    """
    known = _DIGITS.get(code)
    return get_currency_precision(code) if known is None else known


def amount_text(amount: Money, language: str = "en") -> str:
    """Return an amount as text for people.

    Args:
        amount: The amount.
        language: The language's code.

    Example:
        >>> amount_text(Money(1250, "EUR")), amount_text(Money(500, "JPY")), amount_text(Money(1250, "EUR"), "de")
        ('€12.50', '¥500', '12,50\xa0€')
    """
    digits = minor_digits(amount.currency)
    usual = Locale.parse(language).currency_formats["standard"].pattern
    pattern = usual.replace("0.00", "0" + "." * bool(digits) + "0" * digits)
    units = Decimal(amount.minor).scaleb(-digits)
    return format_currency(units, amount.currency, pattern, locale=language, currency_digits=False)
