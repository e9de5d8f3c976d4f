"""Which tasks the broker is told of. A message is a hint; the row is the truth."""

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

# A task that nobody has claimed this long after its message was confirmed gets another one: the first may be lost.
HINT_AGAIN_SECONDS = 5.0
# The longer a task is overdue, the more likely it is that workers are missing, not messages. It gets messages ever more
# seldom, up to this, so that an hour without workers doesn't leave hundreds of messages per task in front of new ones.
HINT_AGAIN_AT_MOST_SECONDS = 15.0
BATCH = 100  # of each system, so that what waits for one never holds up another


@dataclass(frozen=True, slots=True)
class Hint:
    """A task that is due, and the system whose queue it belongs in."""

    task_id: int
    system: str


def due_hints(settings: Settings) -> list[Hint]:
    """Return the next tasks to tell the broker of, those whose claim would be granted; of each system the longest due.

    Systems that may not be called at present are passed over, so that their tasks cause no work at all; of one whose
    circuit isn't closed, one task is told of when it may be probed.
    """
    with reading() as session:
        if not session.connection().execute(_anything_due_of(tuple(settings.systems))).scalar_one():
            return []  # as most looks end: one question, answered by an index
        standing = read_standing(session)
        limits = {
            (system.name, system.name in standing.compensate_only): allowed
            for system in settings.systems.values()
            if (allowed := _allowed(session, system, standing)) > 0
        }
        statement = _due_of(tuple(limits)) if limits else None
        rows = session.execute(statement, _limits(limits.values())).all() if statement is not None else []
    return [Hint(task_id, system) for task_id, system, _due in sorted(rows, key=lambda row: row[2])]


def _limits(limits: Iterable[int]) -> dict[str, int]:
    return {f"limit_{number}": limit for number, limit in enumerate(limits)}


@lru_cache(maxsize=64)  # the relay looks ten times a second, and hardly ever for another selection
def _due_of(systems: tuple[tuple[str, bool], ...]) -> CompoundSelect[Any, Any, Any]:
    """Return the statement for these systems, each with whether only its compensations count."""
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


def _allowed(session: Session, system: System, standing: Standing) -> int:
    """Return how many tasks of a system may be told of now."""
    if system.name in standing.paused or system.name in standing.held:
        return 0
    if system.name in standing.failing:
        return 1 if standing.failing[system.name] <= 0 else 0
    if not system.limits.rate_per_second:
        return BATCH
    under_way = select(func.count()).where(*_told_of(system.name))
    return max(0, min(BATCH, system.limits.tasks_told_of - session.execute(under_way).scalar_one()))


def _told_of(system: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a task was told of and not claimed yet."""
    soon = (Task.publish_at > db_now(), Task.publish_at <= db_now(HINT_AGAIN_AT_MOST_SECONDS))
    return (Task.system == system, *soon, Task.state == TaskState.WAITING.value, Task.due_at <= db_now())


def mark_published(hints: list[Hint]) -> None:
    """Note that the broker has confirmed these hints.

    Transaction: one, committed here.
    Idempotent because: a hint sent twice finds nothing to do the second time.
    If we die here: the hints are sent once more.
    """
    with writing() as session:
        connection = session.connection()
        connection.execute(_told(connection.dialect.name), {"told": [hint.task_id for hint in hints]})


@cache
def _told(dialect: str) -> Update:
    """Return the statement that puts off the next hints of tasks, built once; its parameter `told` are their ids."""
    tasks = table_of(Task).c
    overdue_seconds = -seconds_until(tasks.due_at)
    again_seconds = case(
        (overdue_seconds < HINT_AGAIN_SECONDS, HINT_AGAIN_SECONDS),
        (overdue_seconds > HINT_AGAIN_AT_MOST_SECONDS, HINT_AGAIN_AT_MOST_SECONDS),
        else_=overdue_seconds,
    )
    # One parameter, however many they are, so that PostgreSQL plans it once; SQLite has no lists.
    told = any_(bindparam("told", type_=ARRAY(BigInteger))) if dialect == "postgresql" else None
    among = tasks.id == told if told is not None else tasks.id.in_(bindparam("told", expanding=True))
    # It waits for nobody: who changes a task right now says himself when it is due, and two who each lock some of an
    # order's tasks could wait for each other. A row passed over gets a second hint, which is harmless.
    still_due = (
        select(tasks.id).where(among, tasks.publish_at <= db_now()).with_for_update(skip_locked=True, key_share=True)
    )
    return update(table_of(Task)).where(tasks.id.in_(still_due)).values(publish_at=db_now(again_seconds))
