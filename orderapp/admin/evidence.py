"""How we know what became of an effect: the newest clear sign, in words, with the exchange behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from orderapp.admin.check_texts import SAID
from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.states import MismatchState
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, Step, Task
from orderapp.services.backoffice.case_files import OrderFile

ANSWERS = {
    Outcome.DONE.value: "It answered that it is done",
    Outcome.REFUSED.value: "It refused",
    Outcome.UNKNOWN.value: "It gave no clear answer",
    Outcome.NOT_SENT.value: "The call did nothing",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sign of what became of an effect; `anchor` is the entry of the order's page that shows it, or empty."""

    text: str
    at: dt.datetime | None = None
    anchor: str = ""


def evidence_of(file: OrderFile, row: Step | Task, task_ids: Collection[int]) -> Evidence:
    """Return the newest sign of an effect: an answer to a call or a question, a comparison, or a mark of staff.

    Args:
        file: The order.
        row: The step or task of the effect.
        task_ids: The tasks that concern it.
    """
    signs = [
        *_checks(file, row.key),
        *_answers(file, row, task_ids),
        *_comparisons(file, row.key),
        *_marks(file, task_ids),
    ]
    return max(signs, key=lambda one: one.at or file.now, default=Evidence("No call is on record"))


def _answers(file: OrderFile, row: Step | Task, task_ids: Collection[int]) -> Iterator[Evidence]:
    step_id = row.id if isinstance(row, Step) else None
    for attempt in file.attempts:
        own = attempt.task_id in task_ids if attempt.task_id else step_id is not None and attempt.step_id == step_id
        if own and attempt.verb != Verb.QUOTE.value:
            yield Evidence(_answer(attempt), attempt.started_at, f"attempt-{attempt.id}")
            return


def _answer(attempt: Attempt) -> str:
    if attempt.outcome == Outcome.DONE.value and attempt.verb == Verb.UNDO.value:
        return "It answered that it is taken back"
    return ANSWERS[attempt.outcome]


def _checks(file: OrderFile, key: str) -> Iterator[Evidence]:
    for check in file.checks:
        if check.key == key and check.finding != Finding.UNCLEAR.value:
            said = SAID[Finding(check.finding)]
            yield Evidence(f"It said “{said}” when {check.actor} asked", check.started_at, f"check-{check.id}")
            return


def _comparisons(file: OrderFile, key: str) -> Iterator[Evidence]:
    for mismatch in file.mismatches:
        if mismatch.key == key and mismatch.state != MismatchState.GONE.value:
            yield Evidence("It said otherwise when it was asked", mismatch.last_seen_at, f"mismatch-{mismatch.id}")
        elif mismatch.key == key:
            yield Evidence("It agreed when it was asked again", mismatch.gone_at)


def _marks(file: OrderFile, task_ids: Collection[int]) -> Iterator[Evidence]:
    for resolution in file.resolutions:
        if resolution.task_id in task_ids and resolution.ended_at is None:
            yield Evidence(f"{resolution.actor} marked it; nothing has proven it yet", resolution.made_at)
