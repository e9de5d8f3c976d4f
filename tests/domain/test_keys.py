"""Order numbers and keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.keys import ALPHABET, MAX_KEY_LENGTH, effect_key, new_order_number, read_order_number

AGREED = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def test_an_order_number_can_be_read_out_over_the_phone() -> None:
    assert all(re.fullmatch(rf"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", new_order_number()) for _ in range(200))
    assert not set("ILOU") & set(ALPHABET)


def test_order_numbers_do_not_repeat() -> None:
    assert len({new_order_number() for _ in range(5000)}) == 5000


def test_a_key_is_made_of_what_is_committed() -> None:
    assert effect_key("7K3M9-QXZ2F", 2, "inventory") == "7K3M9-QXZ2F:2:inventory"


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.sampled_from(["a", "b2"]), st.sampled_from(["a", "b2"]))
def test_each_placement_and_system_has_a_key_of_its_own(one: int, other: int, system: str, other_system: str) -> None:
    keys = effect_key("7K3M9-QXZ2F", one, system), effect_key("7K3M9-QXZ2F", other, other_system)
    assert (keys[0] == keys[1]) == ((one, system) == (other, other_system))
    assert all(AGREED.fullmatch(key) for key in keys)


def test_a_key_longer_than_agreed_is_refused_before_it_is_used() -> None:
    fits = MAX_KEY_LENGTH - len("7K3M9-QXZ2F:1:")
    assert len(effect_key("7K3M9-QXZ2F", 1, "x" * fits)) == MAX_KEY_LENGTH
    with pytest.raises(ValueError, match="at most 64"):
        effect_key("7K3M9-QXZ2F", 1, "x" * (fits + 1))


@pytest.mark.parametrize(
    "typed", ["7K3M1-QXZ0F", "7k3m1qxz0f", " 7K3M1 QXZ0F", "7k3ml-qxzof", "7K3MI–QXZOF", "7K3M1_QXZ0F"]
)
def test_a_number_is_read_as_it_was_heard(typed: str) -> None:
    assert read_order_number(typed) == "7K3M1-QXZ0F"


@pytest.mark.parametrize("typed", ["", "nothing", "7K3M1-QXZ0U", "7K3M1-QXZ0FF", "ß" * 10, "٣" * 10])
def test_what_cannot_be_a_number_stays_as_it_is(typed: str) -> None:
    assert read_order_number(typed) == typed.upper()
