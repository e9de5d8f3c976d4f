"""How long it takes until an order is right: from its placement until the last of its tasks is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Subquery, func, select
from sqlalchemy.orm import Session

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Order, Placement, Task, holds

NEWEST_ORDERS = 1000  # the 99th percentile is then the tenth slowest
LEAST_ORDERS = 20  # below this a percentile is noise
SLOWEST = 3


@dataclass(frozen=True, slots=True)
class HealingTimes:
    """The times of the newest confirmed orders that are right, in seconds; None for too few orders."""

    orders: int  # how many were looked at
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    slowest: tuple[tuple[str, float], ...]  # the numbers of the slowest orders, each with its seconds


def healing_times(session: Session) -> HealingTimes:
    """Return the times until orders were right. Transaction: reads only, within the caller's."""
    newest = (
        select(Order.id, Order.number, Order.placement_number)
        .where(holds(Order.state, OrderState.CONFIRMED.value))
        .order_by(Order.created_at.desc())
        .limit(NEWEST_ORDERS)
        .subquery()
    )
    times = times_of(newest)
    rows = [row for row in session.execute(times) if not row.unfinished and row.ended and row.began]
    taken = sorted(((row.number, (row.ended - row.began).total_seconds()) for row in rows), key=lambda one: one[1])
    seconds = [one for _, one in taken]
    p50, p95, p99 = (percentile(seconds, share, LEAST_ORDERS) for share in (0.5, 0.95, 0.99))
    return HealingTimes(len(taken), p50, p95, p99, tuple(reversed(taken[-SLOWEST:])))


def times_of(orders: Subquery) -> Select[Any]:
    """Return the statement of when orders began, when their last forward task ended, and how many haven't.

    Args:
        orders: The orders, with `id`, `number` and `placement_number`.
    """
    # Looked up for each order: as joins, they would read all placements and tasks of a shop that isn't large yet.
    placement = (Placement.order_id == orders.c.id, Placement.number == orders.c.placement_number)
    forward = (Task.order_id == orders.c.id, Task.kind != TaskKind.COMPENSATE.value)
    began = select(Placement.started_at).where(*placement).scalar_subquery()
    ended = select(func.max(Task.finished_at)).where(*forward).scalar_subquery()
    unfinished = select(func.count()).where(*forward, Task.state != TaskState.DONE.value).scalar_subquery()
    return select(orders.c.number, began.label("began"), ended.label("ended"), unfinished.label("unfinished"))


def percentile(ascending: Sequence[float], share: float, least: int) -> float | None:
    """Return the value that a share of all values, 0.0 to 1.0, doesn't exceed; None for fewer values than `least`."""
    if len(ascending) < least:
        return None
    return ascending[max(0, -int(-share * len(ascending) // 1) - 1)]
