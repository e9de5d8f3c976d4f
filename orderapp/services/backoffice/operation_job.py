"""The job that carries an operation out: one task after the other, at a rate, then it watches what becomes of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from orderapp.config import Settings, current_settings
from orderapp.domain.states import ItemState, OperationState
from orderapp.errors import Conflict, DatabaseUnavailable, LeaseLost, NotFound
from orderapp.models import Operation, OperationItem, Task, db_now
from orderapp.services.backoffice.bulk import unexpected
from orderapp.services.backoffice.operation_outcomes import Counts, counts_of, end, in_words, look
from orderapp.services.backoffice.task_acts import TASK_ACTS
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transitions import move
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.systems.jobs import job
from orderapp.systems.runs import GivenUp, Run, Snooze

BATCH_SECONDS = 2.0  # after so long it looks what became of the tasks, and whether staff paused it
# A longer pause between two tasks isn't waited for in the worker, which has other work.
LONGEST_PAUSE_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 2.0  # a task that works takes less than a second; a page shows it at its next refresh
SUPERSEDED = "another run goes on with it"


@dataclass(frozen=True, slots=True)
class Item:
    """The next item, and its task."""

    id: int
    task_id: int
    system: str


def pause(session: Session, given_up: GivenUp) -> None:
    """Pause an operation whose task staff have given up: whoever resumes it gives it another one."""
    its = Operation.id == int(given_up.arguments["operation"]), Operation.turn == int(given_up.arguments["turn"])
    running = Operation.state == OperationState.RUNNING.value
    move(session, Operation, OperationState.PAUSED, *its, running)


# One at a time, so that all operations together keep to the rate; each gives way after a minute.
@job("bulk-operation", title="Operations of staff", concurrency=1, when_given_up=pause)
def carry_out(run: Run) -> str:
    """Act on the tasks of an operation whose turn hasn't come yet, and record what becomes of the others.

    Transaction: one for each task, committed here, with its item and its audit row.
    Idempotent because: an item leaves `planned` once, in the transaction that acts on its task.
    If we die here: the next run goes on with the next item.
    """
    work, settings = _Work(run), current_settings()
    while run.goes_on():
        operation, items = work.next_items(math.ceil(BATCH_SECONDS * settings.operation_tasks_per_second))
        if operation is None:
            return SUPERSEDED
        for item in items:
            if not run.goes_on() or not work.act(operation, item, settings):
                break
        while work.look():
            pass
        if not items:
            return work.rest(operation)
    return run.snooze(0, f"goes on; {in_words(work.counts())}")


class _Work:
    """The part of an operation that one run does."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._id, self._turn = int(run.arguments["operation"]), int(run.arguments["turn"])
        self._ours = Operation.id == self._id, Operation.turn == self._turn

    def next_items(self, most: int) -> tuple[Operation | None, Sequence[Item]]:
        """Return the operation, None if it isn't this run's any more, and its next items, none while it is paused."""
        next_ones = (
            select(OperationItem.id, OperationItem.task_id, OperationItem.system)
            .where(OperationItem.operation_id == self._id, OperationItem.state == ItemState.PLANNED.value)
            .order_by(OperationItem.id)
            .limit(most)
        )
        with self._run.reading() as session:
            operation = session.scalars(select(Operation).where(*self._ours)).one_or_none()
            goes_on = operation is not None and operation.state == OperationState.RUNNING.value
            return operation, [Item(*row) for row in session.execute(next_ones)] if goes_on else []

    def act(self, operation: Operation, item: Item, settings: Settings) -> bool:
        """Act on one task, then pause as the rate asks; return whether to go on with the next one."""
        began_at = time.monotonic()
        try:
            if not self._act(operation, item, settings):
                return False
        except (Conflict, NotFound) as error:
            return self._refuse(item, str(error))
        except (DatabaseUnavailable, LeaseLost, Snooze):
            raise
        except Exception as error:  # one task must not hold up the others
            self._run.log.exception("operation.act_failed", operation=self._id, about=item.task_id)
            return self._refuse(item, unexpected(f"Task {item.task_id}", error))
        wake_relay()
        pause_seconds = pause_after(item.system, settings)
        if pause_seconds > LONGEST_PAUSE_SECONDS:
            self._run.snooze(pause_seconds, f"keeps to the rate; {in_words(self.counts())}")
        time.sleep(max(0.0, began_at + pause_seconds - time.monotonic()))
        return True

    def _refuse(self, item: Item, said: str) -> bool:
        with self._run.transaction() as session:
            refused = {"said": said[:600], "ended_at": db_now()}
            move(session, OperationItem, ItemState.REFUSED, OperationItem.id == item.id, **refused)
        return True

    def _act(self, operation: Operation, item: Item, settings: Settings) -> bool:
        name, actor = operation.act, Actor(operation.staff_id, operation.actor)
        goes_on = exists().where(*self._ours, Operation.state == OperationState.RUNNING.value)
        with self._run.transaction() as session:
            # First, because it locks the item: whoever stops the operation waits, and finds it acted on.
            this = OperationItem.id == item.id, goes_on
            if not move(session, OperationItem, ItemState.ACTED, *this, acted_at=db_now()):
                return False
            task = session.get(Task, item.task_id)
            if task is None:
                raise NotFound(f"There is no task {item.task_id} any more.")
            details = TASK_ACTS[name].change(session, task, actor, operation.reason, settings)
            about = {"operation": operation.id, **details}
            act = Act(f"task.{name}", f"task {task.id}", operation.reason, task.order_id, about)
            audit.write(session, actor, act)
        return True

    def look(self) -> bool:
        """Record what became of tasks; return whether there may be more to record."""
        with self._run.transaction() as session:
            return look(session, self._id)

    def counts(self) -> Counts:
        """Return how many items have each state."""
        with self._run.reading() as session:
            return counts_of(session, [self._id])[self._id]

    def rest(self, operation: Operation) -> str:
        """End the run, and the operation if nothing is left of it. Raises Snooze while tasks are watched."""
        counts = self.counts()
        if counts.get(ItemState.ACTED):
            self._run.snooze(LOOK_AGAIN_SECONDS, in_words(counts))
        if counts.get(ItemState.PLANNED):
            return f"paused; {in_words(counts)}"
        with self._run.transaction() as session:
            ended = end(session, self._id, counts)
        self._run.log.info("operation.ended", operation=self._id, ended=ended, outcome=in_words(counts))
        return in_words(counts)


def pause_after(system: str, settings: Settings) -> float:
    """Return how many seconds come after the act on a task of a system: never fewer than its own limits ask for."""
    known = settings.runnable.get(system)
    return max(1.0 / settings.operation_tasks_per_second, known.limits.spacing_seconds if known is not None else 0.0)
