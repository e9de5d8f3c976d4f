"""The statement that takes a task: its state, the lease, the fencing token and the attempt counted, or nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Float, and_, bindparam, exists, literal, or_
from sqlalchemy.sql.dml import ReturningUpdate

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import SwitchMode, SystemSwitch, Task, db_now, table_of
from orderapp.services import circuits, pacing, suspects
from orderapp.services.transitions import moving


@lru_cache(maxsize=8)  # built once: the systems of a process don't change
def taking(
    systems: tuple[str, ...], *, whatever_the_circuit: bool = False, alone: bool = False
) -> ReturningUpdate[Any]:
    """Return the statement; its parameters are `task` and `lease_seconds`, and it returns the task's row as it is then.

    Args:
        systems: Those whose tasks it takes.
        whatever_the_circuit: Whether it takes a task of a system that is known to fail as well.
        alone: Whether it leaves suspects to those who run them one at a time.

    """
    where = claimable(systems)
    if alone:
        where = (*where, suspects.none())
    if not whatever_the_circuit:
        where = (*where, circuits.closed_for_tasks())
    table = table_of(Task)
    return (
        moving(Task, TaskState.RUNNING)
        .where(table.c.id == bindparam("task"), *where)
        .values(
            lease_until=db_now(bindparam("lease_seconds", type_=Float)),
            attempts=Task.attempts + 1,
            claims=Task.claims + 1,
            fencing=Task.fencing + 1,
            publish_at=None,
        )
        .returning(*table.c)
    )


def claimable(known_systems: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on which a task may be taken, whatever the circuit of its system."""
    return (
        Task.state == TaskState.WAITING.value,
        Task.due_at <= db_now(),
        # A process of an older release leaves the tasks of a new system to those that know it.
        Task.system.in_([literal(system) for system in known_systems]),
        ~_switched_off(),
        pacing.not_held(),
    )


def _switched_off() -> ColumnElement[bool]:
    """Whether staff have paused the task's system, wholly or for what goes forward."""
    forward = Task.kind != TaskKind.COMPENSATE.value
    return exists().where(
        SystemSwitch.system == Task.system,
        or_(
            SystemSwitch.mode == SwitchMode.PAUSED.value,
            and_(SystemSwitch.mode == SwitchMode.COMPENSATE_ONLY.value, forward),
        ),
    )
