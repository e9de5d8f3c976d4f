"""What led to each attempt, and how long it had waited: derived from what happened between it and the one before."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orderapp.admin.labels import duration
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import TaskKind
from orderapp.domain.verbs import Verb
from orderapp.models import Attempt, AuditEntry, HeardCallback, Task

# Acts of staff that make a task due, and the act of a customer by which a mail is sent again.
MAKE_DUE = {"task.requeue": "tried it again", "task.not_happened": "marked it as not happened",
            "task.happened": "marked it as happened", "order.correct_email": "corrected the address"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trigger:
    """What led to an attempt, as a sentence's end, and how long it had waited, in seconds; None while nobody waited."""

    text: str
    waited_seconds: float | None = None

    @property
    def waited(self) -> str:
        """How long it had waited, in words; empty if nobody waited."""
        if self.waited_seconds is None:
            return ""
        return duration(self.waited_seconds) if self.waited_seconds >= 1 else f"{1000 * self.waited_seconds:.0f} ms"


class Triggers:
    """Finds the triggers of an order's or a task's attempts."""

    def __init__(
        self,
        tasks: Iterable[Task],
        attempts: Sequence[Attempt],
        acts: Iterable[AuditEntry] = (),
        callbacks: Iterable[HeardCallback] = (),
    ) -> None:
        """Take all that may have led to an attempt; attempts are newest first."""
        self._tasks = {task.id: task for task in tasks}
        self._before: dict[int, Attempt] = {}
        self._acts: dict[str, list[AuditEntry]] = defaultdict(list)
        self._callbacks: dict[str, list[HeardCallback]] = defaultdict(list)
        newest: dict[int, Attempt] = {}
        for attempt in reversed(attempts):
            if attempt.task_id is not None:
                if attempt.task_id in newest:
                    self._before[attempt.id] = newest[attempt.task_id]
                newest[attempt.task_id] = attempt
        for act in acts:
            if act.act in MAKE_DUE and not act.refused:
                self._acts["messages" if act.subject.startswith("order ") else act.subject].append(act)
        for callback in callbacks:
            if callback.acted_at is not None:
                self._callbacks[callback.key].append(callback)

    def of(self, attempt: Attempt) -> Trigger:
        """Return what led to an attempt."""
        task = self._tasks.get(attempt.task_id) if attempt.task_id is not None else None
        if task is None:
            return Trigger(_while_waiting(attempt))
        before = self._before.get(attempt.id)
        free_at = _end_of(before) if before is not None else task.created_at
        acts = self._acts[f"task {task.id}"] + self._acts["messages" if task.kind == TaskKind.NOTIFY.value else ""]
        act = next((one for one in acts if free_at <= one.at <= attempt.started_at), None)
        if act is not None:
            return Trigger(f"{act.actor} {MAKE_DUE[act.act]}", _seconds(act.at, attempt.started_at))
        waited = _seconds(free_at, attempt.started_at)
        for callback in self._callbacks[task.key]:
            if callback.acted_at is not None and free_at <= callback.acted_at <= attempt.started_at:
                return Trigger("the partner called back", waited)
        if before is None:
            return Trigger(_first(task) if attempt.number == 1 else "an earlier attempt came to nothing", waited)
        return Trigger(_again(before), waited)


def _while_waiting(attempt: Attempt) -> str:
    if attempt.verb == Verb.QUOTE.value:
        return "the customer was shown the total"
    return "the customer ordered" if attempt.number == 1 else "the call before failed, and the customer waited"


def _first(task: Task) -> str:
    return "it had to be given back" if task.kind == TaskKind.COMPENSATE.value else "the order was confirmed"


def _again(before: Attempt) -> str:
    if before.outcome == Outcome.DONE.value:
        return "the system hadn't finished before"
    if before.outcome == Outcome.UNKNOWN.value:
        return "the attempt before had no clear answer"
    return "the attempt before came to nothing"


def _end_of(attempt: Attempt) -> dt.datetime:
    return attempt.started_at + dt.timedelta(milliseconds=attempt.duration_ms)


def _seconds(since: dt.datetime, until: dt.datetime) -> float:
    return max(0.0, (until - since).total_seconds())
