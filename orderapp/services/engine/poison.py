"""Suspects: tasks whose last run ended with its worker. One of them may have killed it, so they run one at a time.

Whoever ran beside the killer lapsed with it, is due again with it and would die with it once more, until its attempts
are used up as well. Alone, each shows whether it was the one.
"""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskState
from orderapp.models import Task, db_now
from orderapp.services.db.transactions import writing

# The code of an attempt that ended with its worker.
LEASE_LAPSED = "lease_lapsed"
# A suspect that found another one running is told of again within this time: the run of an innocent one takes
# milliseconds, and a few dozen that wait for each other ask often enough without being a load.
AGAIN_WITHIN_SECONDS = 1.0
# Any number will do that nothing else of this database locks.
_LOCK = 2_029_000_001


def none() -> ColumnElement[bool]:
    """Return the condition that a task is no suspect."""
    return or_(Task.last_code.is_(None), Task.last_code != LEASE_LAPSED)


def another_runs(session: Session, task: Task) -> bool:
    """Return whether a task just claimed is a suspect, and another suspect runs already.

    Transaction: within the caller's, the claim; suspects' claims take turns until its end, so one at most is granted.
    """
    if task.last_code != LEASE_LAPSED:
        return False
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    return bool(session.execute(_ANOTHER, {"task": task.id}).scalar_one())


def tell_soon(task_id: int) -> None:
    """Have the broker told of a suspect again, within AGAIN_WITHIN_SECONDS.

    Transaction: one, committed here, after the claim was rolled back.
    If we die here: the relay tells of it again by itself, some seconds later.
    """
    soon = db_now(random.uniform(0, AGAIN_WITHIN_SECONDS))
    with writing() as session:
        waiting = (Task.id == task_id, Task.state == TaskState.WAITING.value)
        session.execute(update(Task).where(*waiting).values(publish_at=soon))


def _another() -> Select[Any]:
    running = (Task.lease_until.is_not(None), Task.last_code == LEASE_LAPSED)
    return select(exists().where(*running, Task.id != bindparam("task")))


_ANOTHER = _another()  # built once
