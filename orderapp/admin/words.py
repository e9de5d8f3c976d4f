"""The texts for staff: states, acts and modes as sentences, and the verdict on an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import CircuitState, SwitchMode, Task
from orderapp.services.backoffice.case_files import OrderFile

# Staff give tasks up; the table calls that cancelled.
TASK_STATES = {state: state.value.capitalize() for state in TaskState} | {TaskState.CANCELLED: "Given up"}
MODES = {
    SwitchMode.ON: "In use",
    SwitchMode.COMPENSATE_ONLY: "Only compensates",
    SwitchMode.PAUSED: "Paused",
}
CIRCUITS = {
    CircuitState.OPEN: "Fails: given a rest",
    CircuitState.HALF_OPEN: "Answers again: being tried",
}
GUARANTEES = {
    Guarantee.IDEMPOTENT: "Repeats are harmless",
    Guarantee.QUERY_FIRST: "Asked before repeats",
    Guarantee.UNSAFE: "Repeats do it twice",
}
ACTS = {
    "drift.repair": "Ordered a repair",
    "drifts.repair": "Ordered the repair of a selection",
    "order.cancel": "Cancelled an order",
    "orders.archive": "Archived orders",
    "orders.reconcile": "Compared orders with the systems",
    "products.import": "Imported products",
    "staff.create": "Created an account",
    "staff.disable": "Disabled an account",
    "staff.enable": "Enabled an account",
    "staff.login": "Logged in",
    "staff.logout": "Logged out",
    "staff.password": "Replaced a password",
    "staff.refuse": "Was refused at the login",
    "staff.role": "Changed a role",
    "system.switch": "Switched a system",
    "task.cancel": "Gave a task up",
    "task.mark": "Marked a task",
    "task.happened": "Marked a task as happened",
    "task.not_happened": "Marked a task as not happened",
    "task.requeue": "Requeued a task",
    "tasks.cancel": "Gave a selection up",
    "tasks.happened": "Marked a selection as happened",
    "tasks.not_happened": "Marked a selection as not happened",
    "tasks.requeue": "Requeued a selection",
    "token.create": "Made an API token",
    "token.revoke": "Revoked an API token",
}
# The verbs of acts as they stand after "Tried to".
TRIED = {
    "Archived": "archive",
    "Cancelled": "cancel",
    "Changed": "change",
    "Compared": "compare",
    "Created": "create",
    "Disabled": "disable",
    "Enabled": "enable",
    "Gave": "give",
    "Imported": "import",
    "Made": "make",
    "Marked": "mark",
    "Ordered": "order",
    "Replaced": "replace",
    "Requeued": "requeue",
    "Revoked": "revoke",
    "Switched": "switch",
}
# How a system ended a placement. Not sent includes calls that arrived and certainly did nothing, such as a 401.
ENDED = {
    Outcome.DONE: "done",
    Outcome.REFUSED: "it refused",
    Outcome.UNKNOWN: "what it did is unknown",
    Outcome.NOT_SENT: "the call had no effect",
}
# A forward task's purpose, as the text before its system's title, and its result.
ERRANDS = {TaskKind.SETTLE: ("settlement with", "happened"), TaskKind.NOTIFY: ("message by", "went out")}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an order is consistent, in words; `tone` is good, info, warn or bad."""

    tone: str
    title: str
    sentences: tuple[str, ...]


def act_in_words(name: str, *, refused: bool = False) -> str:
    """Return what was done, or tried and refused, as people say it."""
    words = ACTS.get(name, name.replace(".", " ").replace("_", " ").capitalize())
    first, _, rest = words.partition(" ")
    return f"Tried to {TRIED[first]} {rest}" if refused and first in TRIED else words


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units: "45 s", "3 min 20 s", "2 h 5 min", "4 d 1 h"."""
    whole = max(0, round(seconds))
    units = (("d", whole // 86_400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    first = next((index for index, (_, number) in enumerate(units) if number), len(units) - 1)
    return " ".join(f"{number} {unit}" for unit, number in units[first : first + 2] if number) or "0 s"


def verdict_of(file: OrderFile) -> Verdict:
    """Judge an order by its rows: consistent, on its way there, or in need of staff."""
    state = file.view.state
    if state is OrderState.PLACING:
        return _placing(file)
    if state is OrderState.FAILED:
        again = "The customer can try again on the order's page."
        return _by_word(file, Verdict("info", "Failed; nothing is held anywhere", (_stopped(file), again)))
    if state is OrderState.CANCELLED:
        given_back = ("Every effect was given back.",)
        return _by_word(file, Verdict("info", "Cancelled; nothing is held any more", given_back))
    return _confirmed(file) if state is OrderState.CONFIRMED else _compensating(file)


def _placing(file: OrderFile) -> Verdict:
    left = file.lease_left_seconds
    if left is not None and left > 0:
        text = f"A process is calling the systems; it has {duration(left)} left before the timer takes over."
        return Verdict("info", "Being placed right now", (text,))
    text = "The process that placed it is gone. The timer checks back and gives back whatever may have happened."
    return Verdict("warn", "Interrupted; about to be repaired", (text,))


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
    return _by_word(file, Verdict("good", "Confirmed and complete", notes))


def _by_word(file: OrderFile, verdict: Verdict) -> Verdict:
    """Return the verdict on an ended order; it may rest on manual resolutions that nothing has proved yet."""
    ended = {task.id: task for task in file.tasks if task.state == TaskState.DONE.value}
    words = [word for word in file.words if word.settled_at is None and word.task_id in ended]
    if not words:
        return verdict
    said = tuple(f"{_ended(ended[word.task_id])}, by the word of {word.actor} alone." for word in words)
    return Verdict("warn", f"{verdict.title}, by staff's word", (*verdict.sentences, *said))


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
