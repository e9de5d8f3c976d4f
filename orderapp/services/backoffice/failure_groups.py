"""Failed tasks by what they have in common: kind, system, error, and whether a repeat may do something twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from orderapp.domain.money import Money
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Attempt, Order, Task, holds
from orderapp.services.db.capped_counts import CAP
from orderapp.services.db.picked_rows import with_orders
from orderapp.services.saga.prior_attempts import left_in_doubt, was_accepted
from orderapp.systems.registry import Systems

SHOWN_GROUPS = 20  # a longer list is read on the tasks' page
SHOWN_SINGLES = 5  # of the tasks that are decided singly, the oldest; the others are on the tasks' page


@dataclass(frozen=True, slots=True)
class Single:
    """A failed task whose repeat may do something twice, with what is known."""

    task_id: int
    order_number: str
    customer: tuple[str, str, str]  # name, e-mail address, phone number
    last_at: dt.datetime | None  # when its last attempt began
    said: str


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed tasks of one kind, system and error, which usually have one cause."""

    kind: str
    system: str
    code: str  # the error, as the system's own file names it; empty if none is known
    twice: bool  # whether a repeat may do something twice, so that each task is decided alone
    tasks: int
    orders: int
    money: tuple[Money, ...]  # the sum of the orders' totals, by currency
    first_at: dt.datetime  # when the first and the last attempt that failed began
    last_at: dt.datetime
    said: str  # the message of one of them
    oldest_task_id: int
    singles: tuple[Single, ...] = ()  # with `twice`: the oldest SHOWN_SINGLES


def may_happen_twice(systems: Systems) -> ColumnElement[bool]:
    """Return the condition that a task's effect may be in place, and that its system would do it a second time."""
    unsafe = [name for name, system in systems.items() if system.guarantee is Guarantee.UNSAFE]
    forward = Task.kind != TaskKind.COMPENSATE.value
    return and_(Task.system.in_(unsafe), forward, or_(left_in_doubt(), was_accepted()))


def failure_groups(session: Session, systems: Systems) -> tuple[FailureGroup, ...]:
    """Return the largest groups of the oldest CAP failed tasks. Transaction: reads only, within the caller's."""
    sums = groupby(_sums(session, systems), key=lambda row: tuple(row[:4]))
    found = [_group(list(rows), session, systems) for _, rows in sums]
    return tuple(sorted(found, key=lambda group: -group.tasks)[:SHOWN_GROUPS])


def _sums(session: Session, systems: Systems) -> Iterable[Any]:
    """Return the sums of each group, one row for each currency."""
    code = func.coalesce(Task.last_code, "").label("code")
    failed = (
        select(Task.id, Task.order_id, Task.kind, Task.system, code, may_happen_twice(systems).label("twice"))
        .add_columns(Task.claims, Task.created_at, Task.last_message)
        .where(holds(Task.state, TaskState.FAILED.value))
        .order_by(Task.id)
        .limit(CAP)
        .subquery()
    )
    at = func.coalesce(Attempt.started_at, failed.c.created_at)
    group = (failed.c.kind, failed.c.system, failed.c.code, failed.c.twice)
    by_order = (
        select(
            *group,
            failed.c.order_id,
            func.count(failed.c.id.distinct()).label("tasks"),
            func.min(failed.c.id).label("oldest"),
        )
        .add_columns(func.min(at).label("first_at"), func.max(at).label("last_at"))
        .add_columns(func.min(failed.c.last_message).label("said"))
        .outerjoin(Attempt, and_(Attempt.task_id == failed.c.id, Attempt.number == failed.c.claims))
        .group_by(*group, failed.c.order_id)
        .subquery()
    )
    source, order = with_orders(session, by_order)
    same = (by_order.c.kind, by_order.c.system, by_order.c.code, by_order.c.twice)
    columns = by_order.c
    return session.execute(
        select(*same, order.currency, func.count(order.id).label("orders"), func.sum(order.total_minor).label("minor"))
        .add_columns(func.sum(columns.tasks).label("tasks"), func.min(columns.oldest).label("oldest"))
        .add_columns(func.min(columns.first_at).label("first_at"), func.max(columns.last_at).label("last_at"))
        .add_columns(func.min(columns.said).label("said"))
        .select_from(source)
        .group_by(*same, order.currency)
        .order_by(*same, order.currency)
    )


def _group(rows: list[Any], session: Session, systems: Systems) -> FailureGroup:
    kind, system, code, twice = rows[0][:4]
    return FailureGroup(
        kind=kind,
        system=system,
        code=code,
        twice=bool(twice),
        tasks=sum(int(row.tasks) for row in rows),
        orders=sum(row.orders for row in rows),
        money=tuple(Money(int(row.minor), row.currency) for row in rows if row.currency is not None),
        first_at=min(row.first_at for row in rows),
        last_at=max(row.last_at for row in rows),
        said=next((row.said for row in rows if row.said), ""),
        oldest_task_id=min(row.oldest for row in rows),
        singles=_singles(session, systems, kind, system, code) if twice else (),
    )


def _singles(session: Session, systems: Systems, kind: str, system: str, code: str) -> tuple[Single, ...]:
    last = aliased(Attempt)
    columns = (Task.id, Order.number, Order.customer_name, Order.customer_email, Order.customer_phone)
    rows = session.execute(
        select(*columns, last.started_at, Task.last_message)
        .join(Order, Order.id == Task.order_id)
        # A worker that lost its task writes its attempt beside that of the recovery, under the same number.
        .outerjoin(last, last.id == select(func.max(Attempt.id)).where(Attempt.task_id == Task.id).scalar_subquery())
        .where(holds(Task.state, TaskState.FAILED.value), holds(Task.system, system), Task.kind == kind)
        .where(func.coalesce(Task.last_code, "") == code, may_happen_twice(systems))
        .order_by(Task.id)
        .limit(SHOWN_SINGLES)
    )
    return tuple(Single(row[0], row[1], (row[2], row[3], row[4]), row[5], row[6] or "") for row in rows)
