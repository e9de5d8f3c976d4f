"""The jobs as staff see them on the overview: switch, open tasks, next run, and what the newest run came to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskState
from orderapp.models import Attempt, SwitchMode, SystemSwitch, Task, holds
from orderapp.services.db.capped_counts import Count, capped
from orderapp.systems.job_registry import Jobs
from orderapp.systems.jobs import Job

OPEN_STATES = (TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING)


@dataclass(frozen=True, slots=True)
class JobState:
    """One job."""

    job: Job
    mode: SwitchMode
    mode_reason: str
    tasks: Mapping[TaskState, Count]  # open tasks by state
    next_at: dt.datetime | None  # when its schedule's next run is due; None without one
    newest: Attempt | None  # its newest attempt; None if it never ran


def job_states(session: Session, jobs: Jobs) -> tuple[JobState, ...]:
    """Return the states of all jobs. Transaction: reads only, within the caller's."""
    switches = {row.system: row for row in session.scalars(select(SystemSwitch))}
    counts = capped(
        session,
        {
            (name, state): select(Task.id).where(holds(Task.system, name), holds(Task.state, state.value))
            for name in jobs
            for state in OPEN_STATES
        },
    )
    return tuple(
        JobState(
            job=job,
            mode=SwitchMode(switches[name].mode) if name in switches else SwitchMode.ON,
            mode_reason=switches[name].reason if name in switches else "",
            tasks={state: counts[name, state] for state in OPEN_STATES},
            next_at=next_run_at(session, name),
            newest=session.scalars(
                select(Attempt).where(Attempt.system == name).order_by(Attempt.started_at.desc()).limit(1)
            ).first(),
        )
        for name, job in jobs.items()
    )


def next_run_at(session: Session, job: str) -> dt.datetime | None:
    """Return when a schedule's next run is due; None without one. Transaction: reads only, within the caller's."""
    newest = select(Task.scheduled_at, Task.state).where(Task.system == job, Task.scheduled_at.is_not(None))
    row = session.execute(newest.order_by(Task.scheduled_at.desc()).limit(1)).one_or_none()
    return row.scheduled_at if row is not None and row.state == TaskState.WAITING.value else None
