"""Selects the tasks that the relay sends to the broker. A message is only a hint; the task's row decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Update,
    any_,
    bindparam,
    case,
    exists,
    false,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Task, db_now, seconds_until, table_of
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.system_status import Standing, read_standing
from orderapp.systems.base import System
from orderapp.systems.jobs import Job

# A queue's arguments can't be changed once it exists, so other arguments need another version.
QUEUE_VERSION = "v1"
# A task that is still unclaimed this long after its message was confirmed gets another message: one may be lost.
HINT_AGAIN_SECONDS = 5.0
# The longer a task is overdue, the more likely it is that workers are missing, not messages. So the pause grows, up to
# this limit: an hour without workers must not put hundreds of messages per task in front of new ones.
HINT_AGAIN_AT_MOST_SECONDS = 15.0
BATCH = 100  # per system, so that one system's tasks never hold up another's


def queue_name(system: str) -> str:
    """Return the name of the queue of a system or job. Each has its own, so that a slow one doesn't hold up others."""
    return f"orderapp.{system}.{QUEUE_VERSION}"


@dataclass(frozen=True, slots=True)
class Hint:
    """A due task, and the system or job whose queue it belongs to."""

    task_id: int
    system: str


def due_hints(settings: Settings) -> list[Hint]:
    """Return the next tasks to send to the broker, the longest due first: only tasks that a worker could claim.

    Tasks of systems that may not be called now are left out, so that they cause no work. If a system's circuit isn't
    closed, one of its tasks is sent when the system may be probed.
    """
    with reading() as session:
        if not session.connection().execute(_anything_due_of(tuple(settings.runnable))).scalar_one():
            return []  # the usual case costs one query on an index
        standing = read_standing(session)
        limits = {
            (system.name, system.name in standing.compensate_only): allowed
            for system in settings.runnable.values()
            if (allowed := _allowed(session, system, standing)) > 0
        }
        statement = _due_of(tuple(limits)) if limits else None
        rows = session.execute(statement, _limits(limits.values())).all() if statement is not None else []
    return [Hint(task_id, system) for task_id, system, _due in sorted(rows, key=lambda row: row[2])]


def _limits(limits: Iterable[int]) -> dict[str, int]:
    return {f"limit_{number}": limit for number, limit in enumerate(limits)}


@lru_cache(maxsize=64)  # the relay looks ten times a second, almost always for the same systems
def _due_of(systems: tuple[tuple[str, bool], ...]) -> CompoundSelect[Any, Any, Any]:
    """Return the statement for these systems; the flag of each says whether only its compensations count."""
    return union_all(*(_of_one_system(number, *system) for number, system in enumerate(systems)))


@lru_cache(maxsize=4)
def _anything_due_of(systems: tuple[str, ...]) -> Select[bool]:
    tasks = table_of(Task).c
    return select(
        or_(false(), *(exists().where(tasks.system == name, tasks.publish_at <= db_now()) for name in systems))
    )


def _of_one_system(number: int, system: str, compensations_only: bool) -> Select[Any, Any, Any]:
    tasks = table_of(Task).c
    only = [tasks.kind == TaskKind.COMPENSATE.value] if compensations_only else []
    due = (
        select(tasks.id, tasks.system, tasks.publish_at)
        .where(tasks.system == system, tasks.publish_at <= db_now(), *only)
        .order_by(tasks.publish_at)
        .limit(bindparam(f"limit_{number}", type_=Integer))
        .subquery()
    )
    return select(due.c.id, due.c.system, due.c.publish_at)


def _allowed(session: Session, system: System | Job, standing: Standing) -> int:
    """Return how many tasks of a system may be sent to the broker now."""
    if system.name in standing.paused or system.name in standing.held:
        return 0
    if system.name in standing.failing:
        return 1 if standing.failing[system.name] <= 0 else 0
    if not system.limits.rate_per_second:
        return BATCH
    under_way = select(func.count()).where(*_told_of(system.name))
    return max(0, min(BATCH, system.limits.published_tasks - session.execute(under_way).scalar_one()))


def _told_of(system: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a task was sent to the broker and isn't claimed yet."""
    soon = (Task.publish_at > db_now(), Task.publish_at <= db_now(HINT_AGAIN_AT_MOST_SECONDS))
    return (Task.system == system, *soon, Task.state == TaskState.WAITING.value, Task.due_at <= db_now())


def mark_published(hints: list[Hint]) -> None:
    """Note that the broker has confirmed these hints.

    Transaction: one, committed here.
    Idempotent because: a second hint for a task finds nothing to do.
    If we die here: the hints are sent again.
    """
    with writing() as session:
        connection = session.connection()
        connection.execute(_told(connection.dialect.name), {"told": [hint.task_id for hint in hints]})


@cache
def _told(dialect: str) -> Update:
    """Return the statement that postpones the next hints of the tasks whose ids are in `told`. It is built once."""
    tasks = table_of(Task).c
    overdue_seconds = -seconds_until(tasks.due_at)
    again_seconds = case(
        (overdue_seconds < HINT_AGAIN_SECONDS, HINT_AGAIN_SECONDS),
        (overdue_seconds > HINT_AGAIN_AT_MOST_SECONDS, HINT_AGAIN_AT_MOST_SECONDS),
        else_=overdue_seconds,
    )
    # One array parameter for any number of ids, so that PostgreSQL plans the statement once. SQLite has no arrays.
    told = any_(bindparam("told", type_=ARRAY(BigInteger))) if dialect == "postgresql" else None
    among = tasks.id == told if told is not None else tasks.id.in_(bindparam("told", expanding=True))
    # Skip locked rows: the transaction that changes such a task sets its next hint itself, and waiting for several
    # tasks of an order could deadlock. A skipped row gets a second hint, which is harmless.
    still_due = (
        select(tasks.id).where(among, tasks.publish_at <= db_now()).with_for_update(skip_locked=True, key_share=True)
    )
    return update(table_of(Task)).where(tasks.id.in_(still_due)).values(publish_at=db_now(again_seconds))
