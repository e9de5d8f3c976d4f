"""Money: integer minor units of one currency."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.money import MAX_MINOR, Money

MINOR = st.integers(-MAX_MINOR, MAX_MINOR)


@given(MINOR, MINOR)
def test_what_is_added_can_be_taken_off_again(one: int, other: int) -> None:
    total = Money(one, "EUR") + Money(other, "EUR")
    assert total == Money(one + other, "EUR")
    assert total - Money(other, "EUR") == Money(one, "EUR")


@given(MINOR, st.integers(0, 1000))
def test_an_amount_for_several_pieces_is_the_amount_that_often(minor: int, quantity: int) -> None:
    assert Money(minor, "EUR").times(quantity) == Money(minor * quantity, "EUR")


def test_amounts_of_two_currencies_are_never_mixed() -> None:
    with pytest.raises(ValueError, match="EUR and CHF"):
        Money(1, "EUR") + Money(1, "CHF")
    with pytest.raises(ValueError, match="EUR and CHF"):
        Money(1, "EUR") - Money(1, "CHF")


def test_money_has_one_shape_in_every_interface() -> None:
    assert Money(1250, "EUR").as_json() == {"value": 1250, "currency": "EUR"}


def test_the_largest_line_fits_a_64_bit_column() -> None:
    assert Money(MAX_MINOR, "EUR").times(1000).minor < 2**63
