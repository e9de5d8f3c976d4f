"""The writes of a claim: take the task, then read what its run needs to know."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Float,
    Select,
    Update,
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
from orderapp.models import Submission, SwitchMode, SystemSwitch, Task, db_now, seconds_until, table_of
from orderapp.services.db.transitions import moving
from orderapp.services.db.write_plan import Before, Write, WritePlan
from orderapp.services.engine import poison
from orderapp.services.resilience import circuit_breakers, rate_limiter
from orderapp.services.saga.order_documents import with_document

# What only jobs have.
_OF_JOBS = ("arguments", "scheduled_at")
TASK_COLUMNS = tuple(name for name in table_of(Task).c.keys() if name not in _OF_JOBS)  # noqa: SIM118
TASK_PREFIX = "task_"  # of the task's columns, to distinguish them from the order's
_TASKS = table_of(Task).c
_CLAIMED = [_TASKS[name] for name in TASK_COLUMNS]


@lru_cache(maxsize=16)  # the systems of a process don't change
def claim_plan(
    systems: tuple[str, ...], *, plainly: bool, several: bool = False, whatever_the_circuit: bool = False
) -> WritePlan:
    """Return the writes of a claim: they take a task, its lease and fencing token and count the attempt, or do nothing.

    Parameters: `task`, or `tasks` (a sorted list) for several; and `lease_seconds`. The result `seen` has the order's
    rows with the columns of `document_of`, the task's under TASK_PREFIX, and `absent_in`, `key_age`, `holders`.

    Args:
        systems: The systems whose tasks it takes.
        plainly: Whether it leaves out suspects, which run one at a time.
        several: Whether it takes several tasks (PostgreSQL only).
        whatever_the_circuit: Whether it also takes a task of a system that is known to fail.
    """
    where = claimable(systems)
    if plainly:
        where = (*where, poison.none())
    if not whatever_the_circuit:
        where = (*where, circuit_breakers.closed_for_tasks())
    seen = Write("seen", partial(_seen, several=several), one=False)
    if not several:
        which = (_TASKS.id == bindparam("task", type_=BigInteger), *where)
        return WritePlan(Write("taken", lambda _: _taking_of_order(*which)), seen, returns=("seen",))
    return WritePlan(
        Write("locked", lambda _: _locked(*where), one=False),
        Write("taken", lambda before: _taking_of_order(_TASKS.id.in_(select(before["locked"].c.id))), one=False),
        seen,
        returns=("seen",),
    )


def _locked(*where: ColumnElement[bool]) -> Select[Any]:
    """Lock the wanted tasks in sorted order, so that two claims can't deadlock."""
    wanted = func.unnest(bindparam("tasks", type_=ARRAY(BigInteger))).table_valued(column("id", BigInteger))
    wanted = wanted.render_derived(name="wanted")
    # Each by its primary key: a scan of all waiting tasks would be slowest when there are many.
    one = select(_TASKS.id).where(_TASKS.id == wanted.c.id, *where).limit(1).with_for_update(key_share=True)
    lockable = one.lateral("lockable")
    return select(lockable.c.id).select_from(wanted).join(lockable, true())


def _taking_of_order(*which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return taking(*which).returning(*_CLAIMED)


def taking(*which: ColumnElement[bool]) -> Update:
    """Return the statement that takes tasks, for `lease_seconds`, and counts the attempt."""
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
    )


def _seen(before: Before, *, several: bool) -> Select[Any]:
    taken, submissions = before["taken"], table_of(Submission).c
    placement_id = taken.c.placement_id if several else select(taken.c.placement_id).scalar_subquery()
    holders = select(submissions.fencing).where(submissions.placement_id == placement_id).scalar_subquery()
    return with_document(
        taken,
        *(taken.c[name].label(TASK_PREFIX + name) for name in TASK_COLUMNS),
        seconds_until(taken.c.absent_from).label("absent_in"),
        (-seconds_until(taken.c.key_used_at)).label("key_age"),
        holders.label("holders"),
        several=several,
    )


def claimable(known_systems: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for taking a task, without its system's circuit."""
    return (
        Task.state == TaskState.WAITING.value,
        Task.due_at <= db_now(),
        # A process of an older release leaves the tasks of a new system to those that know it.
        _is_of(known_systems),
        ~_switched_off(),
        rate_limiter.not_held(),
    )


def _is_of(systems: tuple[str, ...]) -> ColumnElement[bool]:
    # Literals, and `false()` for an empty list: SQLAlchemy would expand any other list again at each execution.
    return Task.system.in_([literal(system) for system in systems]) if systems else false()


def _switched_off() -> ColumnElement[bool]:
    """Whether staff have paused the task's system, completely or for all tasks except compensations."""
    forward = Task.kind != TaskKind.COMPENSATE.value
    return exists().where(
        SystemSwitch.system == Task.system,
        or_(
            SystemSwitch.mode == SwitchMode.PAUSED.value,
            and_(SystemSwitch.mode == SwitchMode.COMPENSATE_ONLY.value, forward),
        ),
    )
