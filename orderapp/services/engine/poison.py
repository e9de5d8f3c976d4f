"""Suspects: tasks whose last run ended with the worker's death. One of them may be a poison task: they run one by one.

The leases of all tasks in that worker lapsed together, so all are due again together. The poison task would kill their
worker again, until the attempts of the others are used up too. Running alone, each shows whether it is the poison task.
"""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Task, db_now
from orderapp.services.db.transactions import writing

# The code of an attempt whose worker died.
LEASE_LAPSED = "lease_lapsed"
# A suspect that found another one running gets a new hint within this time. A harmless suspect runs for milliseconds,
# and a few dozen waiting suspects that try this often are no load.
AGAIN_WITHIN_SECONDS = 1.0
# Any two numbers that nothing else in this database locks. Jobs may run for long, so they wait for each other only.
_LOCK, _LOCK_OF_JOBS = 2_029_000_001, 2_029_000_002


def none() -> ColumnElement[bool]:
    """Return the condition that a task is no suspect."""
    return or_(Task.last_code.is_(None), Task.last_code != LEASE_LAPSED)


def another_runs(session: Session, task: Task) -> bool:
    """Return whether a task just claimed is a suspect while another suspect is running.

    Transaction: within the caller's, the claim. Claims of suspects take turns until its end, so at most one succeeds.
    """
    if task.last_code != LEASE_LAPSED:
        return False
    is_job = task.kind == TaskKind.JOB.value
    if session.get_bind().dialect.name == "postgresql":  # SQLite has only one writer at a time
        session.execute(select(func.pg_advisory_xact_lock(_LOCK_OF_JOBS if is_job else _LOCK)))
    return bool(session.execute(_ANOTHER[is_job], {"task": task.id}).scalar_one())


def publish_soon(task_id: int) -> None:
    """Make the relay send a suspect to the broker again within AGAIN_WITHIN_SECONDS.

    Transaction: one, committed here, after the claim was rolled back.
    If we die here: the relay sends the task again anyway, some seconds later.
    """
    soon = db_now(random.uniform(0, AGAIN_WITHIN_SECONDS))
    with writing() as session:
        waiting = (Task.id == task_id, Task.state == TaskState.WAITING.value)
        session.execute(update(Task).where(*waiting).values(publish_at=soon))


def _another(*, is_job: bool) -> Select[Any]:
    running = (Task.lease_until.is_not(None), Task.last_code == LEASE_LAPSED)
    alike = (Task.kind == TaskKind.JOB.value) if is_job else (Task.kind != TaskKind.JOB.value)
    return select(exists().where(*running, alike, Task.id != bindparam("task")))


_ANOTHER = {is_job: _another(is_job=is_job) for is_job in (False, True)}  # built once
