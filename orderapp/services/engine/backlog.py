"""Pulls forward the tasks that wait for a recovered system, spread over time so that they don't overload it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import TaskState
from orderapp.models import Circuit, SwitchMode, SystemSwitch, Task, db_now, seconds_until
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.probes import held_back_by
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.systems.base import System

log = structlog.get_logger()

BATCH = 500  # a transaction of some tens of milliseconds
# Without an agreed rate: about what a few workers do anyway, so that ten thousand tasks take under two minutes.
TASKS_PER_SECOND = 100.0


def pull_forward(settings: Settings) -> None:
    """Pull forward the tasks of recovered systems, batch by batch, until all have a new time.

    Transaction: one per batch, committed here; it locks the circuit's row, so timers take turns.
    Idempotent because: the circuit's row stores the last task that was pulled forward.
    If we die here: the next timer continues after the last committed batch.
    """
    with reading() as session:
        recovered = session.scalars(select(Circuit.system).where(Circuit.recovered_at.is_not(None))).all()
    for name in recovered:
        system = settings.systems.get(name)
        with skipping(Kind.SYSTEM, name):
            while system is not None and pull_batch(system):
                pass


def pull_batch(system: System) -> bool:
    """Give the next BATCH tasks their new times; return whether there may be more."""
    with writing() as session:
        circuit = session.execute(
            select(Circuit.pulled_task_id, Circuit.recovered_at, seconds_until(Circuit.pulled_until))
            .where(Circuit.system == system.name, Circuit.recovered_at.is_not(None))
            .with_for_update()
        ).one_or_none()
        mode = session.scalar(select(SystemSwitch.mode).where(SystemSwitch.system == system.name))
        if circuit is None or mode == SwitchMode.PAUSED.value:
            return False
        pulled_task_id, recovered_at, pulled_in_seconds = circuit
        found = session.scalars(
            select(Task.id)
            .where(*held_back_by(session, system.name), Task.id > pulled_task_id, Task.created_at <= recovered_at)
            .order_by(Task.id)
            .limit(BATCH)
        ).all()
        free_in_seconds = _spread(session, system, found, max(0.0, pulled_in_seconds or 0.0))
        more = len(found) == BATCH
        progress = {"pulled_task_id": found[-1], "pulled_until": db_now(free_in_seconds)} if found else {}
        done = {} if more else {"recovered_at": None}
        session.execute(update(Circuit).where(Circuit.system == system.name).values(**progress, **done))
    log.info("tasks.pulled_forward", system=system.name, tasks=len(found), spread_seconds=round(free_in_seconds, 1))
    return more


def _spread(session: Session, system: System, task_ids: Sequence[int], first_in_seconds: float) -> float:
    """Make the tasks due one after the other, at the system's rate; return in how many seconds the next may be due."""
    limits = system.limits
    apart_seconds = system.calls_per_run * limits.spacing_seconds if limits.rate_per_second else 1 / TASKS_PER_SECOND
    moved = update(Task.__table__).where(  # type: ignore[arg-type]
        Task.id == bindparam("task"), Task.state == TaskState.WAITING.value
    )
    due = db_now(bindparam("seconds"))
    rows = [
        {"task": task_id, "seconds": first_in_seconds + place * apart_seconds} for place, task_id in enumerate(task_ids)
    ]
    if rows:
        session.connection().execute(moved.values(due_at=due, publish_at=due), rows)
    return first_in_seconds + len(rows) * apart_seconds
