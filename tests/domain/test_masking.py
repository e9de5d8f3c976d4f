"""What is kept of requests and answers: nothing private, in no spelling, and not in half at the cut."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

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


SHORT_NAMES = ["Al", "An", "Bo", "Li", "Ed", "Jo", "Ng", "Wu", "O", "A", "I", "In", "No", "It", "At", "To", "As", "Le"]
SHORT_NAMES += ["Mark", "Rose", "May", "Will", "Order", "Stock", "Max", "Art", "Sue", "Bill", "Grant", "Read", "Ann"]
SHORT_NAMES += ["Answer", "State", "Code", "Key", "Error", "Time", "Timo", "Ing", "Ed Ng", "Li An", "1", "7"]
ANSWER = (
    '{"reservation": {"key": "7K3M9-QXZ2F:3:inventory", "state": "cancelled", "order_ref": "7K3M9-QXZ2F"}, '
    '"error": {"code": "out_of_stock", "message": "Nothing remains, partial delivery impossible"}}'
)


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_history_can_be_read_whatever_the_customer_is_called(name: str) -> None:
    assert mask(ANSWER, [name, "ada@example.com"]) == ANSWER


@pytest.mark.parametrize("name", [*SHORT_NAMES, "Zoë", "Åse", "Łęk"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda name: f"for {name}.",
        lambda name: f"({name.upper()})",
        lambda name: f"'{name.lower()}'",
        lambda name: json.dumps({"customer": name}),
        lambda name: json.dumps({"customer": name}, ensure_ascii=False),
        lambda name: json.dumps(f"To\n{name}\tand"),
        lambda name: json.dumps(json.dumps({"customer": name})),
        lambda name: urlencode({"To": "x", "From": name, "By": name}),
        lambda name: quote(f"to {name} at"),
        lambda name: quote_plus(f"to {name} at"),
        lambda name: f"/v1/coupons/{quote(name, safe='')}?x={quote(name, safe='')}&y",
        lambda name: html.escape(f"<b>{name}</b>"),
        lambda name: f"{name}",
        lambda name: f"{name}, {name}; {name}",
    ],
)
def test_a_short_value_is_hidden_wherever_it_stands_as_a_word(name: str, spell: Callable[[str], str]) -> None:
    kept = mask(spell(name), [name])
    assert MASK in kept
    left = kept.replace(MASK, "\N{BULLET}")
    words = re.findall(r"[^\W_]+", unquote_plus(left))
    assert name.casefold() not in [word.casefold() for word in words if word.casefold() not in ("to", "at")]


def test_in_scripts_without_blanks_a_short_name_is_hidden_within_a_sentence() -> None:
    assert mask("\u738b\u4f1f\u60a8\u597d", ["\u738b\u4f1f"]) == f"{MASK}\u60a8\u597d"


def test_a_phone_number_is_hidden_without_its_plus_too() -> None:
    assert mask("004930901820, 4930901820", ["+4930901820"]) == f"00{MASK}, {MASK}"


def test_a_long_word_that_is_a_members_name_stays_and_as_a_value_goes() -> None:
    assert mask('{"reservation": "reservation"}', ["Reservation"]) == f'{{"reservation": "{MASK}"}}'
    assert mask('{"ada@example.com": 1}', ["ada@example.com"]) == f'{{"{MASK}": 1}}'


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
    # Dots around it: none of them is part of a mask or of what is searched for, or goes on with its word.
    if not any(character in "0123456789 .()charactersmasked[]" for character in value):
        assert value not in mask("." * place + value + "." * 100, [value])


@pytest.mark.parametrize("value", ["\\secretword", '"secretword', "\\\\secretword"])
def test_a_value_is_hidden_from_the_first_character_of_its_escapes(value: str) -> None:
    assert mask(json.dumps({"a": value}), [value]) == json.dumps({"a": MASK})


def test_a_value_that_begins_within_what_looks_like_it_is_hidden() -> None:
    assert mask("1" * 9 + "-7", ["1" * 8 + "-7"]) == f"1{MASK}"
