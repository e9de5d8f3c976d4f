"""Writes the tasks of jobs: those that are enqueued, and the next run of each schedule."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from orderapp.config import Settings, current_settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Task, db_now
from orderapp.services.db.transactions import commits, reading, writing
from orderapp.services.db.upserts import upsert
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.saga.new_tasks import new_task
from orderapp.systems.jobs import Job, arguments_text

log = structlog.get_logger()


def enqueue_job(
    session: Session, declared: Job, arguments: str, *, key: str | None = None, due_at: dt.datetime | None = None
) -> int:
    """Write the task of a job, unless the job has one under this key; return the task's id.

    Transaction: within the caller's; the relay is woken once it is committed.
    Idempotent because: the job's name and the key are unique.

    Raises:
        ValueError: the job isn't registered, or the session only reads or has ended.
    """
    if not commits(session):
        raise ValueError(
            f"job {declared.name}: its session commits nothing, so nothing would run; enqueue it inside "
            "`with run.transaction() as session:`"
        )
    job = current_settings().jobs.get(declared.name)
    if job is None or job.function is not declared.function:
        raise ValueError(f"job {declared.name}: no module that ORDERAPP_PLUGINS names declares it")
    chosen = key or uuid.uuid4().hex
    task_id = _write(session, job, chosen, arguments, due_at=db_now() if due_at is None else due_at)
    if task_id is None:
        existing = select(Task.id).where(Task.kind == TaskKind.JOB.value, Task.system == job.name, Task.key == chosen)
        return session.execute(existing).scalar_one()
    event.listen(session, "after_commit", lambda _: wake_relay(), once=True)
    return task_id


def enqueue_alone(declared: Job, arguments: Mapping[str, Any], key: str | None = None) -> int:
    """Have a job run now; return the id of its task. For callers that write nothing else.

    Transaction: one, committed here.
    Idempotent because, Raises: as for `enqueue_job`.
    """
    with writing() as session:
        return enqueue_job(session, declared, arguments_text(declared.name, arguments), key=key)


def plan_next_runs(settings: Settings, at: dt.datetime | None = None) -> int:
    """Write the next run of each schedule, unless one is waiting already; return how many were written.

    So the next run is always there to see, and a time that is missed, whatever was down, is run once.

    Transaction: one per run, committed here.
    Idempotent because: a run's key is its time, so any number of timers write it once.
    If we die here: the next timer writes the rest.

    Args:
        settings: The jobs.
        at: The present time; by the database's clock, if not given.
    """
    planned = 0
    with reading() as session:
        now = at or session.execute(select(db_now())).scalar_one()
        times = [(job, job.schedule.next_after(now)) for job in settings.jobs.values() if job.schedule is not None]
        unplanned = [(job, due_at) for job, due_at in times if not _is_planned(session, job, due_at)]
    for job, due_at in unplanned:
        with writing() as session:
            key = f"schedule:{due_at.isoformat()}"
            task_id = _write(session, job, key, "{}", due_at=due_at, scheduled_at=due_at)
        if task_id is not None:
            planned += 1
            log.info("job.planned", job=job.name, task=task_id, due_at=due_at.isoformat())
    return planned


def _is_planned(session: Session, job: Job, due_at: dt.datetime) -> bool:
    """Whether there is a run for this time, or one for an earlier time that hasn't begun."""
    newest = select(Task.state, Task.claims, Task.scheduled_at).where(
        Task.system == job.name, Task.scheduled_at <= due_at
    )
    row = session.execute(newest.order_by(Task.scheduled_at.desc()).limit(1)).one_or_none()
    return row is not None and (
        row.scheduled_at == due_at or (row.state == TaskState.WAITING.value and row.claims == 0)
    )


def _write(session: Session, job: Job, key: str, arguments: str, **times: Any) -> int | None:
    """Write a task; return its id, or None if there is one under this key."""
    row = {
        **new_task(TaskKind.JOB, job, key),
        "pending_answers": 0,
        "repeats": 0,
        "arguments": arguments,
        "created_at": db_now(),
        "publish_at": times["due_at"],
        **times,
    }
    writing_it = upsert(session, Task, row, None, unique="uq_tasks_job_key")
    return session.execute(writing_it.returning(Task.id)).scalar_one_or_none()
