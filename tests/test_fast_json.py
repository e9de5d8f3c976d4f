"""JSON written fast: the same as the standard library writes, but for its spaces, whatever is in it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask, jsonify

from orderapp.application import Application
from orderapp.fast_json import SORTED, to_json

HALF = "half a character: \ud83d"
SEVENTY_BITS = 2**70
ID = uuid.UUID("0193d3a5-7b0c-7000-8000-000000000001")


@dataclass(frozen=True, slots=True)
class Exchange:
    sent: str
    milliseconds: int


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, True, None, "é", "\u2028", "\x00", '"quoted" \\ </script>']},
        [],
        {},
        -(2**63),
        2**64 - 1,
        0.1,
        1e300,
        "",
        HALF,
        [HALF, {"nested": [HALF]}],
        SEVENTY_BITS,
        {"number": -SEVENTY_BITS},
        {1: "one", 2: "two"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("option", [0, SORTED])
def test_what_is_read_again_is_what_the_standard_library_wrote(value: Any, option: int) -> None:
    assert json.loads(to_json(value, option=option)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("beside", ["", HALF, SEVENTY_BITS], ids=["fast", "half a character", "70 bits"])
def test_dataclasses_and_ids_are_written_whatever_is_beside_them(beside: Any) -> None:
    written = json.loads(to_json([Exchange("GET /", 3), ID, beside]))
    assert written == [{"sent": "GET /", "milliseconds": 3}, str(ID), beside]


@pytest.mark.parametrize("beside", [0, SEVENTY_BITS], ids=["fast", "70 bits"])
def test_members_are_sorted_where_that_is_wanted(beside: int) -> None:
    value = {"b": {"z": 1, "é": 2, "a": 3}, "a": beside}
    text = to_json(value, option=SORTED)
    assert list(json.loads(text)) == ["a", "b"]
    assert list(json.loads(text)["b"]) == ["a", "z", "é"]
    assert list(json.loads(to_json(value))) == ["b", "a"]


@pytest.mark.parametrize("beside", ["", HALF], ids=["fast", "half a character"])
def test_what_json_cannot_say_is_refused_unless_somebody_knows_what_to_make_of_it(beside: str) -> None:
    with pytest.raises(TypeError):
        to_json([object(), beside])
    assert json.loads(to_json([object(), beside], lambda _value: "a thing")) == ["a thing", beside]


@pytest.fixture
def app() -> Flask:
    return Application("orderapp")


def test_an_answer_is_sorted_and_ends_with_its_line(app: Flask) -> None:
    with app.test_request_context():
        answer = jsonify(b=[ID, {"sent": "é", "milliseconds": 1}], a=None)
    assert answer.get_data(as_text=True) == f'{{"a":null,"b":["{ID}",{{"milliseconds":1,"sent":"é"}}]}}\n'
    assert answer.mimetype == "application/json"


def test_an_answer_with_half_a_character_is_still_one(app: Flask) -> None:
    with app.test_request_context():
        assert jsonify({"said": HALF, "number": SEVENTY_BITS}).json == {"said": HALF, "number": SEVENTY_BITS}
