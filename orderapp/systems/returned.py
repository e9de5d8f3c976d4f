"""Checks what a connector returns, member by member: a wrong value must not reach a row or another system."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from orderapp.domain.money import MAX_MINOR
from orderapp.domain.orders import MAX_QUANTITY
from orderapp.domain.outcome import Answer, Exchange, Finding, Outcome, Quote, Report, Shortage
from orderapp.systems.base import System

LONGEST_CODE = 64  # what the columns for codes hold


def flaw_of(given: object, system: System) -> str | None:
    """Return what is wrong with a connector's Answer, Report, Quote or stock; None if nothing is."""
    if isinstance(given, Answer):
        return next(_of_answer(given), None)
    if isinstance(given, Report):
        return next(_of_report(given), None)
    if isinstance(given, Mapping):
        return next((f"stock {sku!r}: {number!r}" for sku, number in given.items() if not _is_count(sku, number)), None)
    return next(_of_quote(given, system), None) if isinstance(given, Quote) else None


def _is_count(sku: Any, number: Any) -> bool:
    return isinstance(sku, str) and type(number) is int and number >= 0


def _of_answer(answer: Any) -> Iterator[str]:
    if not isinstance(answer.outcome, Outcome):
        yield f"outcome {answer.outcome!r}"
    if not isinstance(answer.code, str) or not isinstance(answer.message, str):
        yield "a code or message that is no text"
    if not all(isinstance(one, bool) for one in (answer.repeatable, answer.pending, answer.slow_down, answer.called)):
        yield "a flag that is neither true nor false"
    wait = answer.retry_after_seconds
    if wait is not None and not (isinstance(wait, int | float) and math.isfinite(wait) and wait >= 0):
        yield f"retry_after_seconds {wait!r}"
    if answer.shortage is not None and not _is_shortage(answer.shortage):
        yield f"shortage {answer.shortage!r}"
    if not all(isinstance(one, Exchange) for one in answer.exchanges):
        yield "an exchange that is none"


def _is_shortage(given: Any) -> bool:
    return (
        isinstance(given, Shortage)
        and isinstance(given.sku, str)
        and 0 < len(given.sku) <= LONGEST_CODE
        and type(given.available) is int
        and 0 <= given.available < MAX_QUANTITY
    )


def _of_report(report: Any) -> Iterator[str]:
    if not isinstance(report.finding, Finding):
        yield f"finding {report.finding!r}"
    if not isinstance(report.effects, tuple) or not all(isinstance(one, str) for one in report.effects):
        yield "effects that aren't a tuple of texts"
    yield from _of_answer(report.answer)


def _of_quote(quote: Any, system: System) -> Iterator[str]:
    most = {"": 0, "percent": 100, "amount": MAX_MINOR}.get(quote.kind)
    if most is None:
        yield f"kind {quote.kind!r}"
    elif type(quote.value) is not int or not 0 <= quote.value <= (most or MAX_MINOR):
        yield f"value {quote.value!r}"
    for name in ("code", "refused", "field", "currency"):
        text = getattr(quote, name)
        if not isinstance(text, str) or len(text) > LONGEST_CODE:
            yield f"{name} {text!r}"
    for name, text in quote.spelt.items():
        code = next((one for one in system.inputs if one.name == name), None)
        if code is None or not isinstance(text, str) or next(code.mistakes(text, {}), None):
            yield f"spelt {name!r}: {text!r}, which isn't a value of an input of its own"
    yield from _of_answer(quote.answer)
