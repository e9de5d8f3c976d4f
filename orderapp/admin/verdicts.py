"""The verdict on an order: is it right and since when, on its way there, or does it need staff, and why."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from orderapp.admin import moments
from orderapp.admin.detours import detours_of
from orderapp.admin.errands import errand_of
from orderapp.admin.labels import duration
from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Placement, Task
from orderapp.services.backoffice.case_files import OrderFile

# How a system ended a placement. Not sent includes calls that arrived and certainly did nothing, such as a 401.
ENDED = {
    Outcome.DONE.value: "did its part",
    Outcome.REFUSED.value: "refused",
    Outcome.UNKNOWN.value: "gave no clear answer",
    Outcome.NOT_SENT.value: "couldn't do its part",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an order is right, in sentences; `tone` is good, info, warn or bad; `since`: from when on, if known."""

    tone: str
    title: str
    sentences: tuple[str, ...]
    since: dt.datetime | None = None


def verdict_of(file: OrderFile) -> Verdict:
    """Judge an order by its rows: right, on its way there, or in need of staff."""
    state = file.view.state
    if state is OrderState.PLACING:
        return _placing(file)
    if state is OrderState.FAILED:
        again = "The customer can try again on the order's page."
        return _ended(file, Verdict("info", "Failed; nothing is held anywhere", (_stopped(file), again)))
    if state is OrderState.CANCELLED:
        given_back = ("Every effect was given back.",)
        return _ended(file, Verdict("info", "Cancelled; nothing is held any more", given_back))
    return _confirmed(file) if state is OrderState.CONFIRMED else _compensating(file)


def why_stopped(placement: Placement) -> str:
    """Return what ended a placement, as a sentence; empty if nothing did."""
    if placement.failed_outcome is None:
        return ""
    if not placement.failed_system:
        return "The process that placed it ended half way."
    code = f" ({placement.failed_code})" if placement.failed_code else ""
    return f"{system_title(placement.failed_system)} {ENDED[placement.failed_outcome]}{code}."


def _placing(file: OrderFile) -> Verdict:
    left, began = file.lease_left_seconds, file.placements[0].started_at
    if left is not None and left > 0:
        text = f"A process is calling the systems; it has {duration(left)} left before the timer takes over."
        return Verdict("info", "Being placed right now", (text,), began)
    text = "The process that placed it is gone. The timer checks back and gives back whatever may have happened."
    return Verdict("warn", "Interrupted; about to be recovered", (text,), began)


def _confirmed(file: OrderFile) -> Verdict:
    # Even a confirmed order may have effects to compensate: a surplus, or what an earlier placement left.
    concerned = [task for task in file.tasks if task.kind == TaskKind.COMPENSATE.value or _present(file, task)]
    stuck, given_up, pending = _sort(concerned)
    if stuck:
        told = (*_couldnt(stuck), *_still_to_do(file, pending))
        return Verdict("bad", "Confirmed, but it needs you", told, _stuck_since(file, stuck))
    if any(task.kind != TaskKind.NOTIFY.value for task in given_up):
        return Verdict("warn", "Confirmed, but given up in part", _given_up(given_up), _last_change(file))
    if pending:
        told = _still_to_do(file, pending)
        return Verdict("info", "Confirmed; the rest is on its way", told, file.placements[0].decided_at)
    return _ended(file, Verdict("good", "All right", _given_up(given_up) or ("Every effect is in place, once.",)))


def _ended(file: OrderFile, verdict: Verdict) -> Verdict:
    """Return the verdict on an ended order: since when, what took long, and what rests on staff's word alone."""
    verdict = replace(verdict, since=_last_change(file), sentences=(*verdict.sentences, *detours_of(file)))
    ended = {task.id: task for task in file.tasks if task.state == TaskState.DONE.value}
    resolutions = [
        resolution for resolution in file.resolutions if resolution.ended_at is None and resolution.task_id in ended
    ]
    if not resolutions:
        return verdict
    said = tuple(
        f"{_ended_as(ended[resolution.task_id])}, as {resolution.actor} marked it; nothing has proven it yet."
        for resolution in resolutions
    )
    return replace(
        verdict, tone="warn", title=f"{verdict.title}, as marked by staff", sentences=(*verdict.sentences, *said)
    )


def _compensating(file: OrderFile) -> Verdict:
    back = [task for task in file.tasks if task.kind == TaskKind.COMPENSATE.value]
    stuck, given_up, pending = _sort(back)
    cause = _stopped(file) if file.view.ends_as is OrderState.FAILED else "It was cancelled."
    if stuck:
        told = (cause, *_couldnt(stuck), *_still_to_do(file, pending))
        return Verdict("bad", "Something is still held, and it needs you", told, _stuck_since(file, stuck))
    if given_up:
        title = "Something may still be held, and nobody works on it"
        how = "Try it again to take it up."
        told = (cause, *_given_up(given_up), how, *_still_to_do(file, pending))
        return Verdict("bad", title, told, _last_change(file))
    began = min((task.created_at for task in pending), default=None)
    return Verdict("warn", "Being given back", (cause, *_still_to_do(file, pending)), began)


def _present(file: OrderFile, task: Task) -> bool:
    """Whether a task belongs to the present placement."""
    return file.placements[0].id == task.placement_id


def _sort(tasks: Sequence[Task]) -> tuple[list[Task], list[Task], list[Task]]:
    """Return the tasks that failed, that were given up, and that are waited for."""
    failed = [task for task in tasks if task.state == TaskState.FAILED.value]
    given_up = [task for task in tasks if task.state == TaskState.CANCELLED.value]
    pending = [task for task in tasks if task.state in (TaskState.WAITING.value, TaskState.RUNNING.value)]
    return failed, given_up, pending


def _couldnt(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(f"Couldn't {errand_of(task)}. {_said(task)}".strip() for task in tasks)


def _given_up(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(f"Given up by staff: {errand_of(task)}. {_said(task)}".strip() for task in tasks)


def _still_to_do(file: OrderFile, tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(Markup("Still to do: {} ({}).").format(errand_of(task), _try_of(file, task)) for task in tasks)


def _try_of(file: OrderFile, task: Task) -> Markup:
    """Return which try of a task comes next, and when."""
    number = f"try {task.attempts + (task.state == TaskState.WAITING.value)} of {task.attempt_limit}"
    if task.state == TaskState.RUNNING.value or task.due_at is None:
        return Markup("{}, right now").format(number)
    if task.due_at <= file.now:
        return Markup("{}, due now").format(number)
    return Markup("{}, {} at {}").format(number, moments.ago(task.due_at, file.now), moments.at(task.due_at, file.now))


def _ended_as(task: Task) -> str:
    if task.kind == TaskKind.COMPENSATE.value:
        return f"{system_title(task.system)} holds nothing"
    return f"{system_title(task.system)} did its part"


def _said(task: Task) -> str:
    return f"Last: {task.last_message.rstrip('.')}." if task.last_message else ""


def _stopped(file: OrderFile) -> str:
    return why_stopped(file.placements[0])


def _stuck_since(file: OrderFile, stuck: Iterable[Task]) -> dt.datetime:
    """Return when the first of these tasks was given to staff: with its newest attempt that is known here."""
    newest = {attempt.task_id: attempt.started_at for attempt in reversed(file.attempts)}
    return min(newest.get(task.id, task.created_at) for task in stuck)


def _last_change(file: OrderFile) -> dt.datetime | None:
    """Return when the order became what it is: its last decision, end of work, or agreement with a system."""
    decided = [placement.decided_at for placement in file.placements]
    gone = [mismatch.gone_at for mismatch in file.mismatches]
    changes = [*decided, *(task.finished_at for task in file.tasks), *gone]
    return max((change for change in changes if change is not None), default=None)
