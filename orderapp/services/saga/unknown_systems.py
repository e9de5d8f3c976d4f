"""Systems and jobs that rows name but this process doesn't know: removed, or of another release that runs beside it.

This process doesn't claim tasks of these systems, and doesn't abort placements with their steps. So staff must be told
that this work waits.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from orderapp.domain.states import OPEN_TASK_STATES, TaskState
from orderapp.models import Step, Submission, Task, db_now, holds
from orderapp.services.db.capped_counts import Count, capped


@dataclass(frozen=True, slots=True)
class UnknownSystem:
    """A system or job that this process doesn't know."""

    name: str  # its name in the rows
    tasks: Mapping[TaskState, Count]  # its tasks that aren't done, by state; nobody works on them
    placements: Count  # placements with one of its steps whose holder died; nobody decides them

    @property
    def is_job(self) -> bool:
        """Whether it is a job: the name of a system has no hyphen."""
        return "-" in self.name

    @property
    def waits(self) -> bool:
        """Whether anything waits for a release that knows the system."""
        return bool(self.placements) or any(self.tasks.values())


def unknown_systems(session: Session, known: Collection[str]) -> tuple[UnknownSystem, ...]:
    """Return the unknown systems and jobs that have tasks or steps. Transaction: within the caller's."""
    names = sorted((_names(session, Task.system) | _names(session, Step.system)) - set(known))
    states = [state for state in TaskState if state in OPEN_TASK_STATES]
    tasks = {
        (name, state): select(Task.id).where(holds(Task.system, name), holds(Task.state, state.value))
        for name in names
        for state in states
    }
    counts = capped(session, tasks)
    placements = capped(session, {name: _left(name) for name in names})
    return tuple(
        UnknownSystem(name, {state: counts[name, state] for state in states}, placements[name]) for name in names
    )


def _left(name: str) -> Select[int]:
    steps = select(Step.id).where(Step.placement_id == Submission.placement_id, Step.system == name)
    return select(Submission.id).where(Submission.lease_until < db_now(), steps.exists())


def _names(session: Session, column: InstrumentedAttribute[str]) -> set[str]:
    """Return the distinct values of the first column of an index, with one index lookup for each."""
    first = select(column.label("name")).order_by(column).limit(1).subquery()
    names = select(first.c.name).cte("names", recursive=True)
    following = select(column).where(column > names.c.name).order_by(column).limit(1).scalar_subquery()
    names = names.union_all(select(following).where(names.c.name.is_not(None)))
    return {name for name in session.scalars(select(names.c.name)) if name is not None}


def systems_missing(session: Session, order_id: uuid.UUID, known: Collection[str]) -> bool:
    """Return whether an order has steps or tasks of a system that this process doesn't know.

    Transaction: within the caller's.
    """
    unknown = [select(one.id).where(one.order_id == order_id, one.system.not_in(list(known))) for one in (Step, Task)]
    return any(session.scalar(rows.limit(1)) is not None for rows in unknown)
