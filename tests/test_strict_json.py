"""JSON from outside: what can be read in one way only is read, the rest is refused before it does harm."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from orderapp.strict_json import DEEPEST_LEVELS, parse

AS_DEEP_AS_MAY_BE = "[" * DEEPEST_LEVELS + "]" * DEEPEST_LEVELS


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, -0.0, True, None, "é", "\u2028"], "b": {"a": {}}},
        [[]] * (2 * DEEPEST_LEVELS),  # many brackets, two levels
        {"name": '[{"' * DEEPEST_LEVELS},  # brackets in a string are none
        {"name": "\\" * 999 + '"' + "[" * 999},
        ["[\n" * DEEPEST_LEVELS, []],
        "[" * 999,
        10**4_299,
    ],
    ids=[
        "all sorts",
        "many brackets",
        "brackets in a string",
        "backslashes",
        "lines in a string",
        "a string",
        "digits",
    ],
)
def test_what_is_json_is_read(value: object) -> None:
    assert parse(json.dumps(value)) == value


def test_the_deepest_that_is_read() -> None:
    assert json.dumps(parse(AS_DEEP_AS_MAY_BE)) == AS_DEEP_AS_MAY_BE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"[{AS_DEEP_AS_MAY_BE}]", "it is nested too deeply"),
        ("[" * 1_000_000, "it is nested too deeply"),
        ('{"a":' * 1_000_000, "it is nested too deeply"),
        ("]" * 200 + "[" * 200, "Expecting value"),
        ("[" * 100 + '"' + "[" * 100, "Unterminated string"),
        ('"' + '\\"' * 500_000 + "[" * 101, "Unterminated string"),  # and in no time, however often it may begin
        ("[" * 101 + '"\\', "it is nested too deeply"),
        ("[NaN]", "NaN is no JSON value"),
        ("[-Infinity]", "-Infinity is no JSON value"),
        ("[1e999]", "a number that is too large"),
        ("9" * 4_301, "a number of 4301 digits"),
        ('[{"a": 1, "b": 2, "a": 1}]', 'an object has "a" twice'),
        ('{"\\ud800": 1, "\\ud800": 2}', 'an object has "\\ud800" twice'),
        ("", "Expecting value"),
        ("[1,]", "Expecting value"),
        ("{}{}", "Extra data"),
        ("\ufeff{}", "Unexpected UTF-8 BOM"),
    ],
)
def test_what_is_not_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(told)}"):
        parse(text)


def test_the_number_of_digits_can_be_limited() -> None:
    assert parse("[123]", most_digits=3) == [123]
    with pytest.raises(ValueError, match="a number of 4 digits"):
        parse("[1234]", most_digits=3)


def test_what_is_too_deep_does_not_come_near_the_end_of_the_stack() -> None:
    def at_depth(levels: int) -> Any:
        return at_depth(levels - 1) if levels else parse('{"a":' * 5_000 + "1" + "}" * 5_000)

    with pytest.raises(ValueError, match="nested too deeply"):
        at_depth(500)
