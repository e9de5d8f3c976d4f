"""Histories in order of time: attempts, placements, and acts of staff."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from orderapp.admin.labels import act_in_words
from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import PlacementState
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, AuditEntry, HeardCallback, Placement, Task
from orderapp.services.backoffice.case_files import OrderFile, TaskFile

DID = (Verb.ACT.value, Outcome.DONE.value)
VERBS = {Verb.ACT.value: "called", Verb.ASK.value: "asked", Verb.UNDO.value: "asked to undo"}
SHOWN_DOUBTS = 3  # beside the button; all of them are in the history on the same page
# The order of entries with equal times.
QUESTION, BEGINNING, CALL, END, ACT = range(5)
# The marks of the timeline: shape and colour.
MARKS = {
    Outcome.DONE.value: "done",
    Outcome.REFUSED.value: "failed",
    Outcome.UNKNOWN.value: "waiting",
    Outcome.NOT_SENT.value: "waiting",
}
DECISIONS = {
    PlacementState.CONFIRMED.value: ("done", "confirmed"),
    PlacementState.COMPENSATING.value: ("undoing", "turned round, being given back"),
    PlacementState.COMPENSATED.value: ("undone", "ended, nothing is held"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history; `mark` is a state of the timeline's, `rank` orders equal times.

    An attempt brings its row and exchanges along.
    """

    at: dt.datetime
    mark: str
    title: str
    note: str = ""
    attempt: Attempt | None = None
    rank: tuple[int, int] = (0, 0)
    exchanges: Sequence[dict[str, object]] = field(default_factory=tuple)


def history_of(file: OrderFile) -> list[Entry]:
    """Return all that happened to an order, newest first."""
    entries = [
        *repeat_entries(file.tasks),
        *attempt_entries(file.attempts),
        *_placement_entries(file.placements),
        *(_audit_entry(entry) for entry in file.audit_entries),
        *(_callback_entry(callback) for callback in file.callbacks),
    ]
    # Of equal times: a question before the placement, its beginning, the calls in their order, its end, staff.
    return sorted(entries, key=lambda entry: (entry.at, entry.rank), reverse=True)


def attempt_entries(attempts: Iterable[Attempt]) -> list[Entry]:
    """Return attempts as entries, in their order, newest first; each with the repeats that it ended after it."""
    return [entry for attempt in attempts for entry in (_attempt_entry(attempt), *_repeats(attempt, attempt.task_id))]


def repeat_entries(tasks: Iterable[Task]) -> list[Entry]:
    """Return each task's repeated answer as one entry: no other answer has come since."""
    return [entry for task in tasks for entry in _repeats(task, task.id)]


def _attempt_entry(attempt: Attempt) -> Entry:
    return Entry(
        at=attempt.started_at,
        mark=MARKS[attempt.outcome],
        title=f"{system_title(attempt.system)} {VERBS.get(attempt.verb, attempt.verb)}",
        note=f"task {attempt.task_id}, attempt {attempt.number}"
        if attempt.task_id
        else f"while the customer waited, call {attempt.number}",
        attempt=attempt,
        rank=(QUESTION if attempt.verb == Verb.QUOTE else CALL, attempt.id),
        exchanges=json.loads(attempt.exchanges),
    )


def _repeats(counted: Attempt | Task, task_id: int | None) -> Iterator[Entry]:
    if counted.repeats and counted.repeated_at is not None:
        times = "once more" if counted.repeats == 1 else f"{counted.repeats:,} more times"
        title = f"{system_title(counted.system)} answered the same {times}"
        yield Entry(counted.repeated_at, "waiting", title, f"task {task_id}, as in its attempt before", rank=(CALL, 0))


def doubts_of(file: TaskFile) -> list[Entry]:
    """Return the newest attempts shown that may have brought a task's effect about, up to SHOWN_DOUBTS."""
    doubtful = [
        attempt
        for attempt in file.attempts
        if attempt.number > file.task.cleared_claims
        and (attempt.outcome == Outcome.UNKNOWN.value or (attempt.verb, attempt.outcome) == DID)
    ]
    return [_attempt_entry(attempt) for attempt in doubtful[:SHOWN_DOUBTS]]


def _placement_entries(placements: Iterable[Placement]) -> Iterator[Entry]:
    for placement in placements:
        yield Entry(
            placement.started_at, "running", f"Placement {placement.number} began", rank=(BEGINNING, placement.id)
        )
        if placement.decided_at is not None and placement.state in DECISIONS:
            mark, words = DECISIONS[placement.state]
            yield Entry(placement.decided_at, mark, f"Placement {placement.number} {words}", rank=(END, placement.id))


def _callback_entry(callback: HeardCallback) -> Entry:
    title = f"{system_title(callback.system)} called back about {callback.key}"
    return Entry(callback.received_at, "done", title, f"It said: {callback.said}", rank=(CALL, 0))


def _audit_entry(entry: AuditEntry) -> Entry:
    title = f"{entry.actor}: {act_in_words(entry.act, refused=bool(entry.refused)).lower()} ({entry.subject})"
    note = f"{entry.reason} · refused: {entry.refused}" if entry.refused else entry.reason
    return Entry(entry.at, "staff", title, note, rank=(ACT, entry.id))
