"""What a connector returns is looked at member by member: nonsense is unknown, and reaches no row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orderapp.domain.inputs import Code, Inputs
from orderapp.domain.money import MAX_MINOR
from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report, Shortage
from orderapp.systems.guarding import guarded
from tests.services.scripted import Scripted
from tests.systems.making import ORDER, REQUEST

DONE: Any = Answer(Outcome.DONE)
EFFECT = Effect("K", ORDER)


def giving(verb: str, value: object) -> Scripted:
    system = Scripted("shaky")
    vars(system).update(inputs=(Code("card", "Card"),), **{verb: lambda *_: value})
    return guarded(system)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "answer",
    [
        replace(DONE, outcome="done"),
        replace(DONE, code=7),
        replace(DONE, message=None),
        replace(DONE, pending="yes"),
        replace(DONE, retry_after_seconds=float("nan")),
        replace(DONE, retry_after_seconds=-1),
        replace(DONE, retry_after_seconds="soon"),
        replace(DONE, exchanges=("GET /",)),
        replace(DONE, shortage=("TEA-GREEN", 1)),
        replace(DONE, shortage=Shortage("TEA-GREEN", -1)),
        replace(DONE, shortage=Shortage("T" * 65, 1)),
    ],
)
def test_an_answer_of_nonsense_is_unknown(answer: Answer) -> None:
    found = giving("act", answer).act(EFFECT)
    assert (found.outcome, found.code) == (Outcome.UNKNOWN, "connector_error")


@pytest.mark.parametrize(
    "report",
    [Report("in_place", DONE), Report(Finding.IN_PLACE, DONE, ["1"]), Report(Finding.IN_PLACE, DONE, (1,))],  # type: ignore[arg-type]
)
def test_a_report_of_nonsense_is_unclear(report: Report) -> None:
    assert giving("ask", report).ask(EFFECT).finding is Finding.UNCLEAR


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fixed"},
        {"value": 12.5},
        {"value": True},
        {"value": -1},
        {"kind": "percent", "value": 101},
        {"value": MAX_MINOR + 1},
        {"refused": "x" * 65},
        {"code": None},
        {"field": 7},
        {"spelt": {"card": 12345}},
        {"spelt": {"card": "a b"}},
        {"spelt": {"coupon": "X"}},
    ],
    ids=str,
)
def test_a_quote_of_nonsense_is_no_quote(wrong: dict[str, Any]) -> None:
    given = replace(Quote(DONE, code="C", kind="amount", value=5, currency="EUR"), **wrong)
    found = giving("quote", given).quote(replace(REQUEST, inputs=Inputs(card="c")))
    assert found is not None
    assert (found.kind, found.answer.code) == ("", "connector_error")


def test_what_is_right_is_passed_on() -> None:
    given = Quote(DONE, code="C", kind="percent", value=100, spelt={"card": "C"})
    assert giving("quote", given).quote(REQUEST) is given
