"""The verdict on an order: is it consistent, on its way there, or does it need staff, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.admin.labels import duration
from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Task
from orderapp.services.backoffice.case_files import OrderFile

# How a system ended a placement. Not sent includes calls that arrived and certainly did nothing, such as a 401.
ENDED = {
    Outcome.DONE: "done",
    Outcome.REFUSED: "it refused",
    Outcome.UNKNOWN: "what it did is unknown",
    Outcome.NOT_SENT: "the call had no effect",
}
# A forward task's purpose, as the text before its system's title, and its result.
ERRANDS = {
    TaskKind.SETTLE: ("settlement with", "happened"),
    TaskKind.TASK: ("work of", "was done"),
    TaskKind.NOTIFY: ("message by", "went out"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an order is consistent, in sentences; `tone` is good, info, warn or bad."""

    tone: str
    title: str
    sentences: tuple[str, ...]


def verdict_of(file: OrderFile) -> Verdict:
    """Judge an order by its rows: consistent, on its way there, or in need of staff."""
    state = file.view.state
    if state is OrderState.PLACING:
        return _placing(file)
    if state is OrderState.FAILED:
        again = "The customer can try again on the order's page."
        return _with_unproven(file, Verdict("info", "Failed; nothing is held anywhere", (_stopped(file), again)))
    if state is OrderState.CANCELLED:
        given_back = ("Every effect was given back.",)
        return _with_unproven(file, Verdict("info", "Cancelled; nothing is held any more", given_back))
    return _confirmed(file) if state is OrderState.CONFIRMED else _compensating(file)


def _placing(file: OrderFile) -> Verdict:
    left = file.lease_left_seconds
    if left is not None and left > 0:
        text = f"A process is calling the systems; it has {duration(left)} left before the timer takes over."
        return Verdict("info", "Being placed right now", (text,))
    text = "The process that placed it is gone. The timer checks back and gives back whatever may have happened."
    return Verdict("warn", "Interrupted; about to be recovered", (text,))


def _confirmed(file: OrderFile) -> Verdict:
    # Even a confirmed order may have effects to compensate: a surplus, or what an earlier placement left.
    concerned = [task for task in file.tasks if task.kind == TaskKind.COMPENSATE.value or _present(file, task)]
    stuck, given_up, pending = _sort(concerned)
    if stuck:
        return Verdict("bad", "Confirmed, but it needs you", (*_each(stuck, "In staff's hands: "), *_waits(pending)))
    if any(task.kind != TaskKind.NOTIFY.value for task in given_up):
        return Verdict("warn", "Confirmed, but given up in part", _each(given_up, "Given up by staff: "))
    if pending:
        return Verdict("info", "Confirmed; the rest is on its way", _waits(pending))
    notes = _each(given_up, "Given up by staff: ") or ("Every effect is in place, once.",)
    return _with_unproven(file, Verdict("good", "Confirmed and complete", notes))


def _with_unproven(file: OrderFile, verdict: Verdict) -> Verdict:
    """Return the verdict on an ended order; it may rest on manual resolutions that nothing has proved yet."""
    ended = {task.id: task for task in file.tasks if task.state == TaskState.DONE.value}
    resolutions = [
        resolution for resolution in file.resolutions if resolution.ended_at is None and resolution.task_id in ended
    ]
    if not resolutions:
        return verdict
    said = tuple(
        f"{_ended(ended[resolution.task_id])}, as {resolution.actor} marked it; nothing has proven it yet."
        for resolution in resolutions
    )
    return Verdict("warn", f"{verdict.title}, as marked by staff", (*verdict.sentences, *said))


def _compensating(file: OrderFile) -> Verdict:
    back = [task for task in file.tasks if task.kind == TaskKind.COMPENSATE.value]
    stuck, given_up, pending = _sort(back)
    cause = _stopped(file) if file.view.ends_as is OrderState.FAILED else "It was cancelled."
    if stuck:
        title = "Something is still held, and it needs you"
        return Verdict("bad", title, (cause, *_each(stuck, "In staff's hands: "), *_waits(pending)))
    if given_up:
        title = "Something may still be held, and nobody works on it"
        how = "Requeue the task to take it up again."
        return Verdict("bad", title, (cause, *_each(given_up, "Given up by staff: "), how, *_waits(pending)))
    return Verdict("warn", "Being given back", (cause, *_waits(pending)))


def _present(file: OrderFile, task: Task) -> bool:
    """Whether a task belongs to the present placement."""
    return file.placements[0].id == task.placement_id


def _sort(tasks: Sequence[Task]) -> tuple[list[Task], list[Task], list[Task]]:
    """Return the tasks that failed, that were given up, and that are waited for."""
    failed = [task for task in tasks if task.state == TaskState.FAILED.value]
    given_up = [task for task in tasks if task.state == TaskState.CANCELLED.value]
    pending = [task for task in tasks if task.state in (TaskState.WAITING.value, TaskState.RUNNING.value)]
    return failed, given_up, pending


def _each(tasks: Sequence[Task], lead: str) -> tuple[str, ...]:
    return tuple(f"{lead}{_work(task)}. {_said(task)}".strip() for task in tasks)


def _waits(tasks: Sequence[Task]) -> tuple[str, ...]:
    return tuple(
        f"Still to come: {_work(task)}, {task.attempts} of {task.attempt_limit} attempts used." for task in tasks
    )


def _work(task: Task) -> str:
    title = system_title(task.system)
    if task.kind == TaskKind.COMPENSATE.value:
        return f"giving back what {title} holds or may hold"
    if task.kind == TaskKind.SETTLE.value and task.step_id is not None:
        return f"what {title} lost, done once more"
    return f"the {_errand(task)}"


def _ended(task: Task) -> str:
    if task.kind == TaskKind.COMPENSATE.value:
        return f"{system_title(task.system)} holds nothing"
    return f"The {_errand(task)} {ERRANDS[TaskKind(task.kind)][1]}"


def _errand(task: Task) -> str:
    """Return what a task is for, once where the system is called the same: not "the message by Text message"."""
    (what, _), title = ERRANDS[TaskKind(task.kind)], system_title(task.system)
    same = what.partition(" ")[0] in title.casefold()
    return f"{title[0].lower()}{title[1:]}" if same else f"{what} {title}"


def _said(task: Task) -> str:
    return f"Last: {task.last_message.rstrip('.')}." if task.last_message else ""


def _stopped(file: OrderFile) -> str:
    stopped = file.view.stopped
    if stopped is None:
        return ""
    if not stopped.system:
        return "The process that placed it ended half way."
    code = f" ({stopped.code})" if stopped.code else ""
    return f"{system_title(stopped.system)} ended it: {ENDED[stopped.outcome]}{code}."
