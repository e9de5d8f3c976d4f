"""What is kept of requests and answers: nothing private, in no spelling, and not in half at the cut."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.masking import MASK, MAX_KEPT_CHARACTERS, mask

NAME, EMAIL, PHONE = "Zoë O'Neill-Müller", "zoe+shop@example.com", "+4930901820"
PRIVATE = (NAME, EMAIL, PHONE, "")
LONGEST_SUFFIX = len(" ... (1000000000 characters)")


@pytest.mark.parametrize("value", [NAME, EMAIL, PHONE])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        str.lower,
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value).upper(),
        quote,
        lambda value: quote(value, safe=""),
        lambda value: quote(value, safe="@+'"),
        lambda value: quote(value, safe="").lower(),
        quote_plus,
        lambda value: urlencode({"To": value}),
        html.escape,
        lambda value: "".join(f"&#{ord(character)};" if not character.isalnum() else character for character in value),
        lambda value: value.encode("ascii", "xmlcharrefreplace").decode(),
        lambda value: json.dumps({"name": value}).replace("/", "\\/"),
    ],
)
def test_a_private_value_is_hidden_however_it_is_written(value: str, spell: object) -> None:
    assert callable(spell)
    kept = mask(f"before {spell(value)} after", PRIVATE)
    assert MASK in kept
    assert kept.startswith("before ")
    assert kept.endswith(" after")
    for word in ("neill", "ller", "example", "shop", "30901820"):
        assert word not in kept.lower()


def test_the_single_words_of_a_name_are_hidden_too_unless_they_are_short() -> None:
    assert mask("Dear Lovelace, a total", ["Al Lovelace"]) == f"Dear {MASK}, a total"


def test_what_is_not_private_stays_as_it_is() -> None:
    text = '200\n{"reservation": {"key": "7K3M9-QXZ2F:1:inventory", "state": "reserved"}}'
    assert mask(text, PRIVATE) == text
    assert mask(text, []) == text


def test_what_no_database_keeps_is_replaced() -> None:
    assert mask("a\x00b\ud800c", []) == "a\N{REPLACEMENT CHARACTER}b?c"


@pytest.mark.parametrize("length", [MAX_KEPT_CHARACTERS + 1, 10 * MAX_KEPT_CHARACTERS])
def test_a_flood_is_cut_and_its_length_told(length: int) -> None:
    kept = mask("x" * length, PRIVATE)
    assert kept == f"{'x' * MAX_KEPT_CHARACTERS} ... ({length} characters)"


def test_masks_do_not_make_a_text_longer_than_it_may_be() -> None:
    assert len(mask("ab" * 1000, ["ab"])) <= MAX_KEPT_CHARACTERS + LONGEST_SUFFIX


@given(
    st.lists(st.text("xyz ", max_size=60) | st.just(EMAIL) | st.just(quote(NAME, safe="")), max_size=120),
    st.integers(0, 80),
)
def test_no_half_of_a_private_value_is_left_wherever_the_cut_falls(pieces: list[str], shift: int) -> None:
    text = "x" * (MAX_KEPT_CHARACTERS - shift) + EMAIL + "".join(pieces)
    for scattered in (text, "".join(pieces) + text, (EMAIL + " ") * 60 + text):
        kept = mask(scattered, PRIVATE)
        assert len(kept) <= MAX_KEPT_CHARACTERS + LONGEST_SUFFIX
        rest = kept.replace(MASK, "").partition(" ... (")[0]
        # The cut may fall into a mask, so of the mask's own letters some may be left, but none of a value.
        assert not set(rest) - set("xyz []masked")
        assert "zoe" not in rest
        assert "@" not in rest


@given(st.text(st.characters(), max_size=3000), st.lists(st.text(st.characters(), max_size=30), max_size=4))
def test_whatever_the_text_the_result_is_bounded_and_can_be_stored(text: str, private: list[str]) -> None:
    kept = mask(text, private)
    assert len(kept) <= MAX_KEPT_CHARACTERS + LONGEST_SUFFIX
    assert "\x00" not in kept
    kept.encode()


@given(st.text(min_size=4, max_size=30).filter(lambda value: not value.isspace()), st.integers(0, 2500))
def test_a_value_is_gone_wherever_it_stands(value: str, place: int) -> None:
    # Digits around it: none of them is part of a mask or of what is searched for.
    if not any(character in "0 .()charactersmasked[]" for character in value):
        assert value not in mask("0" * place + value + "0" * 100, [value])
