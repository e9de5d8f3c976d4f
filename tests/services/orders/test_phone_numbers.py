"""Phone numbers: how people write them, and which are taken."""

from __future__ import annotations

import pytest

from orderapp.domain.customers import PhoneRules
from orderapp.services.orders.phone_numbers import NOT_ORDINARY, NotTaken, read_phone

GERMAN, AMERICAN, AUSTRALIAN, NOWHERE = (PhoneRules(country) for country in ("DE", "US", "AU", ""))


@pytest.mark.parametrize(
    ("typed", "rules", "read"),
    [
        ("+49 30 901820", NOWHERE, "+4930901820"),
        ("+49 (0)30 90-18.20", NOWHERE, "+4930901820"),
        ("0049 30 901820", NOWHERE, "+4930901820"),
        ("0049 30 901820", GERMAN, "+4930901820"),
        ("0049 30 901820", AMERICAN, "+4930901820"),
        ("0011 49 30 901820", AUSTRALIAN, "+4930901820"),
        ("0049 30 901820", AUSTRALIAN, "+4930901820"),
        ("011 49 30 901820", AMERICAN, "+4930901820"),
        ("030 901820", GERMAN, "+4930901820"),
        ("030/901820", GERMAN, "+4930901820"),
        ("0151 12345678", GERMAN, "+4915112345678"),
        ("(212) 555-2368", AMERICAN, "+12125552368"),
        ("+1 212 555 2368", GERMAN, "+12125552368"),
        ("001 212 555 2368", GERMAN, "+12125552368"),
        ("\uff0b\uff14\uff19 30 901820", NOWHERE, "+4930901820"),
    ],
)
def test_a_number_is_read_as_people_write_it(typed: str, rules: PhoneRules, read: str) -> None:
    assert read_phone(typed, rules) == read


@pytest.mark.parametrize("rules", [NOWHERE, GERMAN, AMERICAN])
@pytest.mark.parametrize(
    "typed",
    ["+1 2530000", "+49112", "+49 110", "112", "911", "+1 911", "+49", "+", "00", "0", "+0", "+999 123456", "+4930",
     "+1 123 456 7890", "+49 30 901820 1234567890", "+49 30 901820;ext=1", "call me", "+none", "1" * 30,
     "tel:+", "+49 30 90182O", "\u0661\u0661\u0662", "+44 7700 900123"],
)  # fmt: skip
def test_what_cant_be_dialled_is_refused(typed: str, rules: PhoneRules) -> None:
    with pytest.raises(NotTaken, match="."):
        read_phone(typed, rules)


@pytest.mark.parametrize(
    "typed",
    ["+1 900 555 0100", "+49 900 1234567", "0900 1234567", "+49 137 1234567", "+49 180 5123456", "+33 8 99 12 34 56",
     "+44 870 123 4567", "+44 70 1234 5678", "+870 773 123456", "+881 612345678", "+882 16 12345678",
     "+883 130 1234 5678", "+979 123456789", "+800 1234 5678", "+888 1234 5678 901", "00979 123456789"],
)  # fmt: skip
def test_numbers_that_cost_more_are_never_taken(typed: str) -> None:
    with pytest.raises(NotTaken) as refused:
        read_phone(typed, GERMAN)
    assert str(refused.value) == NOT_ORDINARY


def test_numbers_of_other_countries_are_left_out_where_a_setting_says_so() -> None:
    rules = PhoneRules("DE", frozenset({"DE", "AT"}))
    assert read_phone("030 901820", rules) == "+4930901820"
    assert read_phone("+43 1 4000", rules) == "+4314000"
    with pytest.raises(NotTaken, match="of these countries only: AT, DE"):
        read_phone("+1 212 555 2368", rules)
