"""The statement that takes a task: its state, the lease, the fencing token and the attempt counted, or nothing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Float,
    and_,
    bindparam,
    column,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.sql.dml import ReturningUpdate

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import SwitchMode, SystemSwitch, Task, db_now, table_of
from orderapp.services.db.transitions import moving
from orderapp.services.engine import poison
from orderapp.services.resilience import circuit_breakers, rate_limiter


@lru_cache(maxsize=8)  # built once: the systems of a process don't change
def taking(systems: tuple[str, ...], *, whatever_the_circuit: bool = False) -> ReturningUpdate[Any]:
    """Return the statement; its parameters are `task` and `lease_seconds`, and it returns the task's row as it is then.

    Args:
        systems: Those whose tasks it takes.
        whatever_the_circuit: Whether it takes a task of a system that is known to fail as well.

    """
    where = claimable(systems)
    if not whatever_the_circuit:
        where = (*where, circuit_breakers.closed_for_tasks())
    return _taking(table_of(Task).c.id == bindparam("task"), *where)


def taking_plainly(systems: tuple[str, ...], *, several: bool) -> ReturningUpdate[Any]:
    """Return the statement that takes what nothing else has to be looked at for (PostgreSQL only).

    It leaves a task of a failing system to who may probe that, and a suspect to who runs those one at a time.

    Args:
        systems: Those whose tasks it takes.
        several: Whether its parameter is `tasks`, a list, in place of `task`. They are locked in its order: sorted, so
            that two of these never wait for each other.

    """
    tasks = table_of(Task).c
    where = (*claimable(systems), poison.none(), circuit_breakers.closed_for_tasks())
    if not several:
        return _taking(tasks.id == bindparam("task"), *where)
    wanted = func.unnest(bindparam("tasks", type_=ARRAY(BigInteger))).table_valued(column("id", BigInteger))
    wanted = wanted.render_derived(name="wanted")
    # Each by its key: a look at all that wait would be a long one just when there are many.
    one = select(tasks.id).where(tasks.id == wanted.c.id, *where).limit(1).with_for_update(key_share=True)
    lockable = one.lateral("lockable")
    locked = select(lockable.c.id).select_from(wanted).join(lockable, true()).cte("locked")
    return _taking(tasks.id == locked.c.id)


def _taking(*which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    table = table_of(Task)
    return (
        moving(Task, TaskState.RUNNING)
        .where(*which)
        .values(
            lease_until=db_now(bindparam("lease_seconds", type_=Float)),
            attempts=Task.attempts + 1,
            claims=Task.claims + 1,
            fencing=Task.fencing + 1,
            publish_at=None,
            key_used_at=func.coalesce(Task.key_used_at, db_now()),
        )
        .returning(*table.c)
    )


def claimable(known_systems: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on which a task may be taken, whatever the circuit of its system."""
    return (
        Task.state == TaskState.WAITING.value,
        Task.due_at <= db_now(),
        # A process of an older release leaves the tasks of a new system to those that know it.
        _is_of(known_systems),
        ~_switched_off(),
        rate_limiter.not_held(),
    )


def _is_of(systems: tuple[str, ...]) -> ColumnElement[bool]:
    # Constants, and none of them no list at all: SQLAlchemy would write any other one out anew at each execution.
    return Task.system.in_([literal(system) for system in systems]) if systems else false()


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
