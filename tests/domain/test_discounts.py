"""Discounts: rounding, caps, and no dependence on who answered first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.discounts import Offer, apply
from orderapp.domain.money import Money

OFFERS = st.lists(
    st.one_of(
        st.builds(Offer, st.just("one"), st.just("A"), st.just("percent"), st.integers(-(10**6), 10**6)),
        st.builds(Offer, st.just("other"), st.just("B"), st.just("amount"), st.integers(-(10**9), 10**9)),
    ),
    max_size=4,
)


def taken_off(subtotal_minor: int, *offers: Offer) -> list[int]:
    return [discount.amount.minor for discount in apply(Money(subtotal_minor, "EUR"), list(offers))]


@pytest.mark.parametrize(
    ("subtotal_minor", "percent", "expected_minor"),
    [
        (1000, 10, 100),
        (995, 10, 100),  # 99.5: halves are the customer's
        (994, 10, 99),
        (1, 50, 1),
        (1, 49, 0),
        (1000, 0, 0),
        (1000, 100, 1000),
        (0, 10, 0),
    ],
)
def test_a_percentage_is_rounded_to_the_minor_unit_halves_up(
    subtotal_minor: int, percent: int, expected_minor: int
) -> None:
    assert taken_off(subtotal_minor, Offer("one", "A", "percent", percent)) == [expected_minor]


@pytest.mark.parametrize(
    ("offers", "expected_minor"),
    [
        ([Offer("one", "A", "amount", 5000)], [1000]),
        ([Offer("one", "A", "percent", 10**6)], [1000]),
        ([Offer("one", "A", "amount", 700), Offer("other", "B", "percent", 50)], [700, 300]),
        ([Offer("one", "A", "percent", 100), Offer("other", "B", "amount", 1)], [1000, 0]),
        ([Offer("one", "A", "amount", -500)], [0]),
        ([Offer("one", "A", "percent", -10)], [0]),
        ([], []),
    ],
)
def test_discounts_never_exceed_what_is_left_and_never_add_to_it(
    offers: list[Offer], expected_minor: list[int]
) -> None:
    assert taken_off(1000, *offers) == expected_minor


def test_each_percentage_is_of_the_subtotal_not_of_what_another_discount_left() -> None:
    assert taken_off(1000, Offer("one", "A", "percent", 10), Offer("other", "B", "percent", 10)) == [100, 100]


def test_a_discount_says_whose_it_is_and_in_which_currency() -> None:
    (discount,) = apply(Money(1000, "CHF"), [Offer("one", "A", "amount", 1)])
    assert (discount.source, discount.code, discount.amount.currency) == ("one", "A", "CHF")


@given(st.integers(0, 10**9), OFFERS)
def test_the_total_is_never_negative_and_the_same_in_every_order_of_offers(
    subtotal_minor: int, offers: list[Offer]
) -> None:
    sums = {sum(taken_off(subtotal_minor, *order)) for order in itertools.permutations(offers)}
    assert len(sums) == 1
    assert 0 <= sums.pop() <= subtotal_minor


def test_a_payment_pays_what_is_left_after_all_discounts() -> None:
    card, coupon = Offer("card", "G", "amount", 2000, is_payment=True), Offer("coupon", "C", "amount", 500)
    taken = apply(Money(2100, "EUR"), [card, coupon])
    assert [(one.source, one.amount.minor, one.is_payment) for one in taken] == [
        ("coupon", 500, False),
        ("card", 1600, True),
    ]
