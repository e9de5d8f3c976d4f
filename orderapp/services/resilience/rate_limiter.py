"""Rate limiter: keeps calls per second and parallel tasks of a system below the agreed limits, over all processes.

Each call is sent in a slot: the caller takes the system's next slot in the database and waits for it. Systems without a
limit cost nothing here.
"""

from __future__ import annotations

import copy
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report
from orderapp.domain.states import TaskState
from orderapp.domain.verbs import Verb
from orderapp.models import RateSlot, Task, db_now, seconds_until
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert
from orderapp.systems.base import System
from orderapp.systems.jobs import Job
from orderapp.systems.limits import LATE_SECONDS

# A task takes a slot only within this time, so that no worker thread waits longer and orders find slots soon too.
TASK_AHEAD_SECONDS = 0.5
# A customer accepts a wait of a second; orders that would wait longer are refused immediately.
ORDER_AHEAD_SECONDS = 1.0
# The relay marks a hint as sent after the broker's confirmation; a worker may have refused its task before that.
AGAIN_AFTER_SECONDS = 0.1
# A system's Retry-After holds up its other tasks for at most this long: a longer one concerns only its own task.
LONGEST_HOLD_SECONDS = 300.0

# A preview leaves orders half of that: it takes a slot only if the one after it comes within this time, or at once.
PREVIEW_AHEAD_SECONDS = ORDER_AHEAD_SECONDS / 2

RATE_LIMITED = Answer(
    Outcome.NOT_SENT,
    "rate_limited",
    "more calls than its agreed rate allows; nothing was sent",
    called=False,
)


class Turns:
    """The slots for a run's calls, on this process's monotonic clock."""

    def __init__(self, system: System | Job, first_at: float, calls: int, *, may_take_more: bool = True) -> None:
        self._system, self._may_take_more = system, may_take_more
        spacing = system.limits.spacing_seconds
        self._slots = deque(first_at + number * spacing for number in range(calls))

    def wait(self) -> bool:
        """Wait for the next slot; take another one, if we may, where we are too late for it or have none left.

        Transaction: one for each further slot, committed here; else none.

        Returns:
            Whether the slot came within the time that a lease allows; if not, don't call.
        """
        ends_at = time.monotonic() + self._system.limits.longest_wait_seconds
        while True:
            slot_at = self._slots.popleft() if self._slots else self._another(ends_at)
            if slot_at is None or slot_at > ends_at:
                return False
            pause_seconds = slot_at - time.monotonic()
            if pause_seconds > 0:
                time.sleep(pause_seconds)
            if time.monotonic() - slot_at <= LATE_SECONDS:
                return True

    def _another(self, ends_at: float) -> float | None:
        if not self._may_take_more:
            return None
        with writing() as session:
            turns = take_turns(session, self._system, 1, ends_at - time.monotonic())
        return turns._slots[0] if turns else None


def take_turns(
    session: Session, system: System | Job, calls: int, ahead_seconds: float, *, may_take_more: bool = True
) -> Turns | None:
    """Take the next slots of a system that has a rate.

    Transaction: within the caller's; the system's row stays locked until its end.

    Args:
        calls: How many slots, 1 or more.
        ahead_seconds: The longest wait for the first one.
        may_take_more: Whether the holder may take further slots, one by one, if these don't suffice.

    Returns:
        The slots; None if the first would be too late: then none was taken.
    """
    spacing = system.limits.spacing_seconds
    left: ColumnElement[Any] = seconds_until(RateSlot.next_call_at)
    taken = {"next_call_at": db_now(case((left > 0, left), else_=0.0) + calls * spacing)}
    after_seconds = _upsert(session, system, {"next_call_at": db_now(calls * spacing)}, taken, left <= ahead_seconds)
    if after_seconds is None:
        return None
    # Measured after the statement: if this thread was held up before or after it, the slots seem later than they are.
    # Measured before it, they would seem earlier, and more calls than agreed would leave.
    first_at = time.monotonic() + max(0.0, after_seconds - calls * spacing)
    return Turns(system, first_at, calls, may_take_more=may_take_more)


def take_preview_turn(session: Session, system: System) -> Turns | None:
    """Take one slot of a system that has a rate, for a call that can be left out; orders still find one after it.

    Transaction: within the caller's; the system's row stays locked until its end.

    Returns:
        The slot, without the right to take more; None, and nothing taken, if orders need it.
    """
    spacing = system.limits.spacing_seconds
    if spacing > ORDER_AHEAD_SECONDS:
        return None  # the order after it would have to wait too long
    return take_turns(session, system, 1, max(0.0, PREVIEW_AHEAD_SECONDS - spacing), may_take_more=False)


def tell_in_time(task_id: int, system: System | Job) -> None:
    """Postpone the next hint of a task that got no slot until the system's next slot is near enough.

    The hints of tasks that wait for the same slots are spread over those slots, so that few come too early again.

    Transaction: one, committed here, after the claim was rolled back.
    If we die here: the relay sends the task again anyway, some seconds later.
    """
    others = system.limits.published_tasks - 1
    spread_seconds = random.uniform(0, others * system.limits.spacing_seconds)
    left = select(seconds_until(RateSlot.next_call_at)).where(RateSlot.system == system.name).scalar_subquery()
    within_reach = left - TASK_AHEAD_SECONDS
    pause = case((within_reach > AGAIN_AFTER_SECONDS, within_reach), else_=AGAIN_AFTER_SECONDS)
    with writing() as session:
        waiting = (Task.id == task_id, Task.state == TaskState.WAITING.value)
        session.execute(update(Task).where(*waiting).values(publish_at=db_now(pause + spread_seconds)))


def too_many_run(session: Session, system: System | Job) -> bool:
    """Return whether more tasks of the system run than allowed, including the one just claimed.

    Transaction: within the caller's, the claim. Claims for one system take turns, so the count is exact.
    """
    if not system.limits.concurrency:
        return False
    _upsert(session, system, {"next_call_at": db_now()}, {"next_call_at": RateSlot.next_call_at}, None)
    running = select(func.count()).where(Task.system == system.name, Task.state == TaskState.RUNNING.value)
    return session.execute(running).scalar_one() > system.limits.concurrency


def hold(session: Session, system: System, seconds: float) -> None:
    """Make the system's tasks wait as it has asked, for at most LONGEST_HOLD_SECONDS; orders go on.

    Transaction: within the caller's, after everything else.
    """
    until = db_now(min(seconds, LONGEST_HOLD_SECONDS))
    later = case((RateSlot.tasks_held_until > until, RateSlot.tasks_held_until), else_=until)
    _upsert(session, system, {"next_call_at": db_now(), "tasks_held_until": until}, {"tasks_held_until": later}, None)


def not_held() -> ColumnElement[bool]:
    """Return the condition that a task's system hasn't asked to wait."""
    return ~select(RateSlot.system).where(RateSlot.system == Task.system, RateSlot.tasks_held_until > db_now()).exists()


def at_its_rate(system: System) -> System:
    """Return the system wrapped so that each call takes a new slot and waits for it."""
    return in_turn(system, Turns(system, 0.0, 0)) if system.limits.rate_per_second else system


def in_turn(system: System, turns: Turns | None) -> System:
    """Return the system wrapped so that each call waits for a slot of these turns."""
    if turns is None:
        return system
    paced = copy.copy(system)
    paced.call_seconds += system.limits.longest_wait_seconds
    instead: dict[str, object] = {
        Verb.QUOTE: Quote(RATE_LIMITED),
        Verb.ACT: RATE_LIMITED,
        Verb.ASK: Report(Finding.UNCLEAR, RATE_LIMITED),
        Verb.UNDO: RATE_LIMITED,
        Verb.STOCK: None,
        "write": RATE_LIMITED,
    }
    for verb, refusal in instead.items():
        setattr(paced, verb, _after_waiting(turns, getattr(system, verb), refusal))
    return paced


def _after_waiting(turns: Turns, call: Callable[..., Any], refusal: object) -> Callable[..., Any]:
    def waiting(*arguments: Any) -> Any:
        return call(*arguments) if turns.wait() else refusal

    return waiting


def _upsert(
    session: Session,
    system: System | Job,
    new: dict[str, Any],
    changed: dict[str, Any],
    where: ColumnElement[bool] | None,
) -> float | None:
    """Write the system's row; return the seconds until its next slot, None if the condition prevented the change."""
    statement = upsert(session, RateSlot, {"system": system.name, **new}, changed, unique="system", where=where)
    return session.execute(statement.returning(seconds_until(RateSlot.next_call_at))).scalar_one_or_none()
