"""What a job came to, as an attempt keeps it: masked and bounded, like the answers of systems."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from orderapp.domain.masking import mask
from orderapp.domain.outcome import Answer, Exchange, Outcome
from orderapp.systems.runs import NeedsAttention, Snooze, TryAgain

SNOOZED, FAILED, NEEDS_ATTENTION = "snoozed", "failed", "needs_attention"
MAX_MESSAGE = 500  # characters, as long as its column


def answer_of(result: Any, arguments: str, secrets: Iterable[str]) -> Answer:
    """Return the answer of a run that returned something: a text, or a value that JSON can hold."""
    if isinstance(result, str):
        text = result
    else:
        try:
            text = "" if result is None else json.dumps(result, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError, RecursionError):
            # What it was to do is done; to do it again would do it twice.
            text = f"returned something that JSON can't hold ({type(result).__name__})"
    return _answer(Outcome.DONE, "", text, arguments, secrets)


def answer_of_error(error: BaseException, arguments: str, secrets: Iterable[str]) -> Answer:
    """Return the answer of a run that raised. Part of its work may be done, so its outcome is unknown.

    Unless it said itself that no repeat can succeed, which is a refusal.
    """
    if isinstance(error, NeedsAttention):
        return _answer(Outcome.REFUSED, NEEDS_ATTENTION, _text_of(error), arguments, secrets)
    if isinstance(error, TryAgain):
        answer = _answer(Outcome.UNKNOWN, FAILED, _text_of(error), arguments, secrets)
        return replace(answer, retry_after_seconds=error.least_seconds)
    name = type(error).__name__
    where = traceback.extract_tb(error.__traceback__)
    line = f" ({Path(where[-1].filename).name}, line {where[-1].lineno}, in {where[-1].name})" if where else ""
    # A database's error repeats the rows that it was given.
    said = "" if hasattr(error, "orig") else _text_of(error).strip()
    return _answer(Outcome.UNKNOWN, name, f"{name}: {said}{line}" if said else f"{name}{line}", arguments, secrets)


def answer_of_snooze(snooze: Snooze, arguments: str, secrets: Iterable[str]) -> Answer:
    """Return the answer of a run that wants another one later."""
    return _answer(Outcome.NOT_SENT, SNOOZED, snooze.why or "goes on later", arguments, secrets)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as failed:  # noqa: BLE001 - a job's own error must not keep its failure from being recorded
        return f"its text can't be read ({type(failed).__name__})"


def _answer(outcome: Outcome, code: str, text: str, arguments: str, secrets: Iterable[str]) -> Answer:
    hidden = tuple(secrets)
    kept = mask(text, hidden)
    message = " ".join(kept.split())[:MAX_MESSAGE]
    return Answer(outcome, code, message, called=False, exchanges=(Exchange(mask(arguments, hidden), kept, 0),))
