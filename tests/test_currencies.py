"""Currencies by ISO 4217, whose digits of minor units aren't those that a country shows in its shops."""

from __future__ import annotations

import pytest
from babel.numbers import get_currency_precision, list_currencies
from iso4217 import Currency

from orderapp.currencies import amount_text, is_currency, minor_digits
from orderapp.domain.money import Money


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(1250, "EUR"), "€12.50"),
        (Money(125_000, "RSD"), "RSD1,250.00"),
        (Money(125_000, "ALL"), "ALL1,250.00"),
        (Money(125_000, "HUF"), "HUF1,250.00"),
        (Money(125_000, "IDR"), "IDR1,250.00"),
        (Money(125_000, "COP"), "COP1,250.00"),
        (Money(125_000, "IQD"), "IQD125.000"),
        (Money(125_000, "CLP"), "CLP125,000"),
        (Money(500, "JPY"), "¥500"),
        (Money(1234, "KWD"), "KWD1.234"),
        (Money(12_345, "CLF"), "CLF1.2345"),
        (Money(5, "RSD"), "RSD0.05"),
        (Money(-5, "RSD"), "-RSD0.05"),
    ],
)
def test_an_amount_is_written_with_the_digits_of_its_minor_units(amount: Money, text: str) -> None:
    assert amount_text(amount) == text


def test_every_currency_in_use_has_the_digits_of_isos_table_wherever_its_country_shows_others() -> None:
    differing = set()
    for one in Currency:
        if one.exponent is None:
            assert not is_currency(one.code)
            continue
        assert is_currency(one.code)
        assert minor_digits(one.code) == one.exponent
        figures = amount_text(Money(10**9, one.code)).removeprefix("Cg.")  # a symbol with a full stop
        assert len(figures.partition(".")[2]) == one.exponent, one.code
        differing |= {one.code} if one.exponent != get_currency_precision(one.code) else set()
    assert differing >= {"RSD", "AFN", "IQD", "IRR", "LAK", "LBP", "MMK", "SYP", "YER"}


def test_what_is_no_currency_in_use_is_none_and_an_old_order_s_amount_can_still_be_read() -> None:
    for code in ("DEM", "XAU", "XTS", "XXX", "QQQ", "eur", "", "EURO"):
        assert not is_currency(code), code
    assert "DEM" in list_currencies()
    assert amount_text(Money(1250, "DEM")) == "DEM12.50"
