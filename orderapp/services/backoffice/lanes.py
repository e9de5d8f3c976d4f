"""The orders that aren't right yet, each in one lane: it needs staff, it waits for a system, or it heals by itself."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, cast, exists, func, literal, null, select, union, union_all
from sqlalchemy.orm import Session

from orderapp.domain.money import Money
from orderapp.domain.states import OPEN_TASK_STATES, MismatchState, OrderState, TaskKind, TaskState
from orderapp.models import ManualResolution, Mismatch, Order, Resolution, SwitchMode, Task, db_now, holds
from orderapp.models.base import UtcDateTime
from orderapp.services.db.capped_counts import CAP, Count, capped
from orderapp.services.db.picked_rows import among, with_orders
from orderapp.services.resilience.holdups import Holdup, holdups
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.services.saga.unknown_systems import unknown_systems

WINDOW_DAYS = 30
# An exact count of a busy month, some milliseconds over an index; beyond it nobody needs the exact number.
PLACED_CAP = 100_000
# An order or task of a moment ago is under way, not wrong: calls take seconds, so after a minute something is late.
UNDER_WAY_SECONDS = 60.0


class Lane(StrEnum):
    """What an order that isn't right yet needs."""

    STAFF = "staff"  # a task failed, a system says otherwise than our ledger, or an effect was given up
    WAITS = "waits"  # a task waits for a system that is paused, fails, asked to wait, or isn't known
    HEALS = "heals"  # work is under way or due at a known time


GIVEN_UP = ManualResolution.resolution == Resolution.GIVEN_UP.value
_RANKS = {Lane.STAFF: 0, Lane.WAITS: 1, Lane.HEALS: 2}  # an order of several lanes is in the first of them
_LANES = {rank: lane for lane, rank in _RANKS.items()}


@dataclass(frozen=True, slots=True)
class Kept:
    """A system that keeps tasks waiting: all of them, or only those that aren't compensations."""

    name: str
    only_forward: bool = False

    @property
    def condition(self) -> ColumnElement[bool]:
        """Return the condition for a task that it keeps."""
        own = holds(Task.system, self.name)
        return own & (Task.kind != TaskKind.COMPENSATE.value) if self.only_forward else own


@dataclass(frozen=True, slots=True)
class LaneTotal:
    """The orders of a lane."""

    recent: Count  # placed in the last WINDOW_DAYS
    older: Count  # placed before
    money: tuple[Money, ...]  # the sum of their totals, by currency
    oldest_seconds: float  # for how long the one that isn't right for the longest isn't; 0 without orders

    @property
    def orders(self) -> Count:
        """Return how many there are."""
        return Count(self.recent.number + self.older.number, self.recent.more)


@dataclass(frozen=True, slots=True)
class NotRight:
    """The orders that aren't right yet."""

    at: dt.datetime  # the database's time of these figures
    placed: Count  # all orders placed in the last WINDOW_DAYS
    lanes: Mapping[Lane, LaneTotal]
    waits_for: Mapping[str, int]  # of the lane WAITS, how many wait for each system; an order may wait for several
    # When the last order of the lane HEALS is right, if the next attempts work; None if that isn't known.
    healed_at: dt.datetime | None


def kept_systems(session: Session, systems: Collection[str]) -> tuple[Kept, ...]:
    """Return the systems that keep tasks waiting now. Transaction: reads only, within the caller's."""
    return kept_of(holdups(session), [one.name for one in unknown_systems(session, systems)])


def kept_of(held: Mapping[str, Holdup], unknown: Collection[str]) -> tuple[Kept, ...]:
    """Return the systems that keep tasks waiting, from what holds up systems and the names of unknown ones."""
    found = {name: Kept(name) for name in unknown}
    for name, holdup in held.items():
        if holdup.mode is SwitchMode.PAUSED or holdup.failing or holdup.held_seconds > 0:
            found[name] = Kept(name)
        elif holdup.mode is SwitchMode.COMPENSATE_ONLY:
            found.setdefault(name, Kept(name, only_forward=True))
    return tuple(found.values())


def has_open_task(system: str, narrowed: bool) -> ColumnElement[bool]:
    """Return the condition that an order has a task of a system that isn't done.

    Args:
        system: The system's name.
        narrowed: Whether only a part of all orders is looked at: then each of them is, otherwise those of the oldest
            CAP tasks of each state.
    """
    if narrowed:
        return exists().where(Task.order_id == Order.id, Task.system == system, Task.state.in_(OPEN_TASK_STATES))
    parts = [
        select(
            select(Task.order_id)
            .where(holds(Task.system, system), holds(Task.state, state.value), Task.order_id.is_not(None))
            .order_by(Task.id)
            .limit(CAP)
            .subquery()
            .c.order_id
        )
        for state in sorted(OPEN_TASK_STATES)
    ]
    return among(Order.id, select(union(*parts).subquery().c.order_id))


def is_in(lanes: Collection[Lane], systems: Collection[str], kept: Collection[Kept]) -> ColumnElement[bool]:
    """Return the condition that an order is in one of these lanes.

    Of each cause the oldest CAP count, so that any backlog is read quickly.
    """
    laned = _laned(systems, kept).subquery()
    return among(Order.id, select(laned.c.order_id).where(laned.c.rank.in_([_RANKS[lane] for lane in lanes])))


def look(session: Session, systems: Collection[str], kept: Collection[Kept]) -> NotRight:
    """Return the orders that aren't right yet. Transaction: reads only, within the caller's."""
    laned = _laned(systems, kept).cte("laned")
    source, order = with_orders(session, laned)
    recent = (order.created_at >= db_now(-WINDOW_DAYS * 86_400)).label("recent")
    rows = session.execute(
        select(laned.c.rank, recent, order.currency, func.count().label("orders"))
        .add_columns(func.sum(order.total_minor).label("minor"), func.min(laned.c.since).label("since"))
        .add_columns(func.max(laned.c.due_at).label("due_at"))
        .select_from(source)
        .group_by(laned.c.rank, "recent", order.currency)
    ).all()
    now = session.execute(select(db_now())).scalar_one()
    by_lane = {lane: [row for row in rows if row.rank == rank and row.currency] for lane, rank in _RANKS.items()}
    placed = select(Order.id).where(Order.created_at >= db_now(-WINDOW_DAYS * 86_400))
    return NotRight(
        at=now,
        placed=capped(session, {"": placed}, PLACED_CAP)[""],
        lanes={lane: _total(found, now) for lane, found in by_lane.items()},
        waits_for=_waits_for(session, laned, kept),
        healed_at=max((row.due_at for row in by_lane[Lane.HEALS] if row.due_at), default=None),
    )


def count_lanes(session: Session, systems: Collection[str], kept: Collection[Kept]) -> Mapping[Lane, int]:
    """Return how many orders are in each lane, up to some CAP. Transaction: reads only, within the caller's."""
    laned = _laned(systems, kept).subquery()
    rows = session.execute(select(laned.c.rank, func.count()).group_by(laned.c.rank))
    return Counter({_LANES[rank]: number for rank, number in rows})


def _laned(systems: Collection[str], kept: Collection[Kept]) -> Select[Any, Any, Any]:
    """Return the orders that aren't right, each with its lane's rank, since when, and when its last task is due."""
    by_name = {one.name: one for one in kept}
    older = Task.created_at <= db_now(-UNDER_WAY_SECONDS)
    parts = [
        _task_part(Lane.STAFF, holds(Task.state, TaskState.FAILED.value)),
        _part(Lane.STAFF, Mismatch, Mismatch.found_at, holds(Mismatch.state, MismatchState.OPEN.value)),
        _part(Lane.STAFF, ManualResolution, ManualResolution.made_at, UNPROVEN, GIVEN_UP),
        _task_part(Lane.HEALS, holds(Task.state, TaskState.RUNNING.value), older),
        *(_unfinished(state) for state in (OrderState.PLACING, OrderState.COMPENSATING)),
        *(_kept_part(one) for one in kept),
    ]
    for name in systems:
        waiting = (holds(Task.state, TaskState.WAITING.value), holds(Task.system, name), older)
        if name not in by_name:
            parts.append(_task_part(Lane.HEALS, *waiting))
        elif by_name[name].only_forward:
            parts.append(_task_part(Lane.HEALS, *waiting, Task.kind == TaskKind.COMPENSATE.value))
    found = union_all(*parts).subquery()
    rank, due_at = func.min(found.c.rank).label("rank"), func.max(found.c.due_at).label("due_at")
    return select(found.c.order_id, rank, func.min(found.c.since).label("since"), due_at).group_by(found.c.order_id)


def _part(
    lane: Lane, model: type[Task] | type[Mismatch] | type[ManualResolution], since: Any, *where: Any
) -> Select[Any, Any, Any]:
    due_at: Any = Task.due_at if model is Task else cast(null(), UtcDateTime)
    rows = select(model.order_id, since.label("since"), due_at.label("due_at"))
    oldest = rows.where(*where, model.order_id.is_not(None)).order_by(model.id).limit(CAP).subquery()
    return select(oldest.c.order_id, _rank(lane), oldest.c.since, oldest.c.due_at)


def _task_part(lane: Lane, *where: Any) -> Select[Any, Any, Any]:
    return _part(lane, Task, func.coalesce(Task.reopened_at, Task.created_at), *where)


def _kept_part(kept: Kept) -> Select[Any, Any, Any]:
    return _task_part(Lane.WAITS, holds(Task.state, TaskState.WAITING.value), kept.condition)


def _unfinished(state: OrderState) -> Select[Any, Any, Any]:
    late = Order.updated_at <= db_now(-UNDER_WAY_SECONDS)
    orders = select(Order.id, Order.updated_at.label("since")).where(holds(Order.state, state.value), late)
    oldest = orders.order_by(Order.created_at).limit(CAP).subquery()
    no_due_at = cast(null(), UtcDateTime).label("due_at")
    return select(oldest.c.id.label("order_id"), _rank(Lane.HEALS), oldest.c.since, no_due_at)


def _rank(lane: Lane) -> ColumnElement[int]:
    return literal(_RANKS[lane], Integer, literal_execute=True).label("rank")


def _total(rows: Collection[Any], now: dt.datetime) -> LaneTotal:
    numbers, sums = Counter[bool](), defaultdict[str, int](int)
    for row in rows:
        numbers[bool(row.recent)] += row.orders
        sums[row.currency] += int(row.minor)
    money = tuple(Money(minor, currency) for currency, minor in sorted(sums.items()))
    oldest_seconds = max((now - row.since).total_seconds() for row in rows) if rows else 0.0
    more = sum(numbers.values()) >= CAP
    return LaneTotal(Count(numbers[True], more), Count(numbers[False]), money, oldest_seconds)


def _waits_for(session: Session, laned: Any, kept: Collection[Kept]) -> dict[str, int]:
    parts = [
        select(literal(one.name), func.count(waiting.c.order_id.distinct()))
        .join(laned, laned.c.order_id == waiting.c.order_id)
        .where(laned.c.rank == _RANKS[Lane.WAITS])
        for one, waiting in ((one, _kept_part(one).subquery()) for one in kept)
    ]
    return {name: number for name, number in session.execute(union_all(*parts)) if number} if parts else {}
