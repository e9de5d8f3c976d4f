"""Histories in order of time: attempts, placements, callbacks, comparisons, and acts of staff."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from orderapp.admin.check_texts import SAID
from orderapp.admin.errands import call_of
from orderapp.admin.labels import MODES, act_in_words
from orderapp.admin.titles import system_title
from orderapp.admin.triggers import Trigger, Triggers
from orderapp.domain.outcome import Finding, Outcome
from orderapp.domain.states import PlacementState
from orderapp.domain.verbs import Verb
from orderapp.models import (
    Attempt,
    AuditEntry,
    Check,
    HeardCallback,
    ManualResolution,
    Mismatch,
    Placement,
    SwitchMode,
    Task,
)
from orderapp.services.backoffice.case_files import OrderFile, TaskFile

DID = (Verb.ACT.value, Outcome.DONE.value)
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
    PlacementState.CONFIRMED.value: ("done", "The order was confirmed"),
    PlacementState.COMPENSATING.value: ("undoing", "It couldn't be placed, and is being given back"),
    PlacementState.COMPENSATED.value: ("undone", "It has ended; nothing is held"),
}
# The lanes of the time axis that aren't systems.
CUSTOMER, STAFF = "Customer", "Staff"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a history; `mark` is a state of the timeline's, `rank` orders equal times.

    An attempt brings its row, its exchanges, and what triggered it along. `lane` is who it belongs to on the time axis.
    """

    at: dt.datetime
    mark: str
    title: str
    note: str = ""
    attempt: Attempt | None = None
    rank: tuple[int, int] = (0, 0)
    exchanges: Sequence[dict[str, object]] = field(default_factory=tuple)
    lane: str = ""
    anchor: str = ""  # the name of the entry on its page
    trigger: Trigger | None = None
    audit_id: int | None = None  # the act's own page


def history_of(file: OrderFile) -> list[Entry]:
    """Return all that happened to an order, newest first."""
    triggers = Triggers(file.tasks, file.attempts, file.audit_entries, file.callbacks)
    entries = [
        *repeat_entries(file.tasks),
        *attempt_entries(file.attempts, triggers),
        *_placement_entries(file.placements),
        *(_audit_entry(entry) for entry in file.audit_entries),
        *(_callback_entry(callback) for callback in file.callbacks),
        *(_check_entry(check) for check in file.checks),
        *(_switching_entry(entry) for entry in file.switchings),
        *(entry for mismatch in file.mismatches for entry in _mismatch_entries(mismatch)),
        *(entry for resolution in file.resolutions for entry in _proof_entries(resolution)),
    ]
    ends = {step.id: placement.decided_at for placement in file.placements for step in placement.steps}

    def moment(entry: Entry) -> dt.datetime:
        # A call's beginning is reckoned back from when it was written, which may be just after its placement's end.
        attempt = entry.attempt
        end = ends.get(attempt.step_id or 0) if attempt is not None and attempt.task_id is None else None
        return min(entry.at, end) if end is not None else entry.at

    # Of equal times: a question before the placement, its beginning, the calls in their order, its end, staff.
    return sorted(entries, key=lambda entry: (moment(entry), entry.rank), reverse=True)


def attempt_entries(attempts: Iterable[Attempt], triggers: Triggers | None = None) -> list[Entry]:
    """Return attempts as entries, in their order, newest first; each with the repeats that it ended after it."""
    return [
        entry
        for attempt in attempts
        for entry in (_attempt_entry(attempt, triggers), *_repeats(attempt, attempt.task_id))
    ]


def repeat_entries(tasks: Iterable[Task]) -> list[Entry]:
    """Return each task's repeated answer as one entry: no other answer has come since."""
    return [entry for task in tasks for entry in _repeats(task, task.id)]


def _attempt_entry(attempt: Attempt, triggers: Triggers | None = None) -> Entry:
    return Entry(
        at=attempt.started_at,
        mark=MARKS[attempt.outcome],
        title=call_of(attempt.verb, attempt.system),
        note=f"attempt {attempt.number}" if attempt.task_id else "while the customer waited",
        attempt=attempt,
        rank=(QUESTION if attempt.verb == Verb.QUOTE else CALL, attempt.id),
        exchanges=json.loads(attempt.exchanges),
        lane=system_title(attempt.system),
        anchor=f"attempt-{attempt.id}",
        trigger=triggers.of(attempt) if triggers is not None else None,
    )


def _repeats(counted: Attempt | Task, task_id: int | None) -> Iterator[Entry]:
    if counted.repeats and counted.repeated_at is not None:
        times = "once more" if counted.repeats == 1 else f"{counted.repeats:,} more times"
        title = f"{system_title(counted.system)} answered the same {times}"
        note = f"task {task_id}, as in its attempt before"
        yield Entry(counted.repeated_at, "waiting", title, note, rank=(CALL, 0), lane=system_title(counted.system))


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
        again = f"The customer tried again, for the {_ordinal(placement.number)} time"
        yield Entry(
            placement.started_at,
            "running",
            "The customer ordered" if placement.number == 1 else again,
            rank=(BEGINNING, placement.id),
            lane=CUSTOMER,
            anchor=f"placement-{placement.number}",
        )
        if placement.decided_at is not None and placement.state in DECISIONS:
            mark, words = DECISIONS[placement.state]
            yield Entry(
                placement.decided_at,
                mark,
                words,
                rank=(END, placement.id),
                lane=CUSTOMER,
                anchor=f"decision-{placement.number}",
            )


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _callback_entry(callback: HeardCallback) -> Entry:
    title = f"{system_title(callback.system)} called back about {callback.key}"
    return Entry(
        callback.received_at,
        "done",
        title,
        f"It said: {callback.said}",
        rank=(CALL, 0),
        lane=system_title(callback.system),
        anchor=f"callback-{callback.id}",
    )


def _switching_entry(entry: AuditEntry) -> Entry:
    system, after = entry.subject.removeprefix("system "), SwitchMode(json.loads(entry.details)["after"])
    title = f"{system_title(system)}: {MODES[after].lower()}, by {entry.actor}"
    mark = "done" if after is SwitchMode.ON else "undoing"
    lane, anchor = system_title(system), f"act-{entry.id}"
    return Entry(entry.at, mark, title, entry.reason, rank=(ACT, entry.id), lane=lane, anchor=anchor, audit_id=entry.id)


def _check_entry(check: Check) -> Entry:
    title = system_title(check.system)
    unclear = check.finding == Finding.UNCLEAR.value
    return Entry(
        check.started_at,
        "waiting" if unclear else "done",
        f"{check.actor} had {title} asked what is in place: {SAID[Finding(check.finding)]}",
        f"{check.duration_ms:,} ms{f' · {check.message}' if check.message else ''}",
        rank=(CALL, 0),
        exchanges=json.loads(check.exchanges),
        lane=title,
        anchor=f"check-{check.id}",
    )


def _mismatch_entries(mismatch: Mismatch) -> Iterator[Entry]:
    title = system_title(mismatch.system)
    yield Entry(
        mismatch.found_at,
        "failed",
        f"{title} said otherwise than our ledger: {mismatch.kind}",
        f"Our ledger: {mismatch.ours}; it said: {mismatch.theirs}",
        rank=(CALL, 0),
        lane=title,
        anchor=f"found-{mismatch.id}",
    )
    if mismatch.gone_at is not None:
        agreed = f"{title} agrees with our ledger again"
        yield Entry(mismatch.gone_at, "done", agreed, rank=(CALL, 0), lane=title, anchor=f"gone-{mismatch.id}")


def _proof_entries(resolution: ManualResolution) -> Iterator[Entry]:
    if resolution.ended_at is not None:
        yield Entry(
            resolution.ended_at,
            "done",
            f"What {resolution.actor} marked is settled",
            resolution.ended_by or "",
            rank=(ACT, 0),
            lane=system_title(resolution.system),
            anchor=f"proof-{resolution.id}",
        )


def _audit_entry(entry: AuditEntry) -> Entry:
    title = f"{entry.actor}: {act_in_words(entry.act, refused=bool(entry.refused)).lower()} ({entry.subject})"
    note = f"{entry.reason} · refused: {entry.refused}" if entry.refused else entry.reason
    return Entry(
        entry.at, "staff", title, note, rank=(ACT, entry.id), lane=STAFF, anchor=f"act-{entry.id}", audit_id=entry.id
    )
