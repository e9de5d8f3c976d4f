"""Probes failing systems: asks each a harmless question, and lets a task try when the system answers."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Attempt, Circuit, CircuitState, SwitchMode, SystemSwitch, Task, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.circuit_breakers import CHECK_SECONDS, NOT_CLOSED, close, note_check
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.systems.base import System


def probe_the_failing(settings: Settings) -> None:
    """Ask each failing system its harmless question when it is due, and let a task try if the system answers.

    This may take the sum of the failing systems' time-outs.

    Transaction: several, each committed here; none is open while a system is asked.
    Idempotent because: the process that asks first moves the time of the next question; any number of timers may run.
    If we die here: the next question is asked CHECK_SECONDS later, by this timer or another.
    """
    with reading() as session:
        failing = session.scalars(select(Circuit.system).where(NOT_CLOSED)).all()
    for name in failing:
        system = settings.systems.get(name)
        if system is not None:
            with skipping(Kind.SYSTEM, name):
                _ask(system)
                _let_a_task_try(system.name)


def _ask(system: System) -> None:
    with writing() as session:
        if not system.limits.circuit_calls:
            # The configuration switched circuits off while this one was open.
            close(session, system.name)
            return
        asking = (
            update(Circuit)
            .where(Circuit.system == system.name, NOT_CLOSED, Circuit.check_at <= db_now())
            .values(check_at=db_now(CHECK_SECONDS))
            .execution_options(synchronize_session=False)
        )
        if not session.connection().execute(asking).rowcount:
            return
    answers = system.check().outcome is Outcome.DONE
    with writing() as session:
        note_check(session, system.name, answers=answers)


def _let_a_task_try(system: str) -> None:
    """Make the system's next task due now, if the system answers and may be probed now."""
    may_try = exists().where(
        Circuit.system == system, Circuit.state == CircuitState.HALF_OPEN.value, Circuit.probe_at <= db_now()
    )
    with writing() as session:
        first = select(Task.id).where(*held_back_by(session, system), may_try).order_by(Task.due_at).limit(1)
        session.execute(
            update(Task)
            .where(Task.id == first.scalar_subquery(), Task.due_at > db_now())
            .values(due_at=db_now(), publish_at=db_now())
            .execution_options(synchronize_session=False)
        )


def held_back_by(session: Session, system: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a task waits only for its system's recovery.

    Such a task is overdue, or its newest run failed. A task waits for something else if the system asked it to snooze,
    its late window hasn't passed, or its worker died.

    Transaction: within the caller's.
    """
    newest_failed = exists().where(Attempt.task_id == Task.id, Attempt.number == Task.claims, Attempt.worked.is_(False))
    window_passed = or_(Task.absent_from.is_(None), Task.absent_from <= db_now())
    mode = session.scalar(select(SystemSwitch.mode).where(SystemSwitch.system == system))
    only = [Task.kind == TaskKind.COMPENSATE.value] if mode == SwitchMode.COMPENSATE_ONLY.value else []
    return (
        Task.system == system,
        Task.state == TaskState.WAITING.value,
        or_(Task.due_at <= db_now(), and_(window_passed, newest_failed)),
        *only,
    )
