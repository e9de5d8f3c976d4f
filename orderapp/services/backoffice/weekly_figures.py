"""The figures of a week: how many orders there were, how many weren't right, how long that took, and what was done."""

from __future__ import annotations

import datetime as dt
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from orderapp.domain.states import OrderState
from orderapp.models import AuditEntry, HoldupSample, ManualResolution, Mismatch, Order
from orderapp.services.backoffice.healing_times import LEAST_ORDERS, percentile, times_of
from orderapp.services.backoffice.lanes import UNDER_WAY_SECONDS
from orderapp.services.backoffice.samples import MINUTE_SECONDS

BATCH_ORDERS = 1000  # some hundred milliseconds
# Acts of staff that put something right, by the names that the audit has.
REPAIRS = (
    "task.requeue", "tasks.requeue", "task.cancel", "tasks.cancel", "task.happened", "tasks.happened",
    "task.not_happened", "tasks.not_happened", "mismatch.correct", "mismatches.correct", "operation.start",
    "order.cancel",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WeeklyFigures:
    """The figures. Times are in seconds, None for too few orders; counts of systems are by name."""

    orders: Mapping[str, int]  # placed in the week, by their state now
    not_at_once: int  # confirmed, and not right within a minute
    not_yet: int  # of these, how many aren't right even now
    p50_seconds: float | None  # until confirmed orders were right
    p95_seconds: float | None
    p99_seconds: float | None
    mismatches: Mapping[str, int]  # found in the week, by system
    marks: Mapping[str, int]  # effects that staff marked or gave up in the week, by system
    acts: Mapping[str, int]  # acts of staff that put something right, by the audit's names
    failing_minutes: Mapping[str, int]  # how long systems failed
    paused_minutes: Mapping[str, int]

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> WeeklyFigures:
        """Return the figures as they were kept."""
        return cls(**kept)

    def as_json(self) -> dict[str, Any]:
        """Return them as they are kept."""
        return asdict(self)


def measure(session: Session, begin: dt.datetime, end: dt.datetime, goes_on: Callable[[], None]) -> WeeklyFigures:
    """Return the figures of a time. Transaction: reads only, within the caller's.

    Args:
        session: Where to read.
        begin: The first moment of the time.
        end: The first moment after it.
        goes_on: Called after each part; what it raises ends the measuring.
    """
    states, seconds, not_yet = Counter[str](), array("d"), 0
    for batch in _batches(session, begin, end):
        states.update(row.state for row in batch)
        confirmed = [row.id for row in batch if row.state == OrderState.CONFIRMED.value]
        for row in session.execute(times_of(select(Order).where(Order.id.in_(confirmed)).subquery())):
            if row.unfinished or row.began is None or row.ended is None:
                not_yet += bool(row.unfinished)
            else:
                seconds.append((row.ended - row.began).total_seconds())
        goes_on()
    ascending = sorted(seconds)
    p50, p95, p99 = (percentile(ascending, share, LEAST_ORDERS) for share in (0.5, 0.95, 0.99))
    return WeeklyFigures(
        orders=dict(states),
        not_at_once=not_yet + sum(one > UNDER_WAY_SECONDS for one in ascending),
        not_yet=not_yet,
        p50_seconds=p50,
        p95_seconds=p95,
        p99_seconds=p99,
        mismatches=_counted(session, Mismatch.system, Mismatch.found_at >= begin, Mismatch.found_at < end),
        marks=_counted(
            session, ManualResolution.system, ManualResolution.made_at >= begin, ManualResolution.made_at < end
        ),
        acts=_acts(session, begin, end),
        failing_minutes=_minutes(session, "failing", begin, end),
        paused_minutes=_minutes(session, "paused", begin, end),
    )


def _batches(session: Session, begin: dt.datetime, end: dt.datetime) -> Iterator[Sequence[Any]]:
    key = (Order.created_at, Order.id)
    placed = select(Order.id, Order.state, Order.created_at).where(Order.created_at >= begin, Order.created_at < end)
    statement = placed.order_by(*key).limit(BATCH_ORDERS)
    while batch := session.execute(statement).all():
        yield batch
        last = batch[-1]
        place = tuple_(literal(last.created_at, Order.created_at.type), literal(last.id, Order.id.type))
        statement = placed.where(tuple_(*key) > place).order_by(*key).limit(BATCH_ORDERS)


def _counted(session: Session, system: Any, *where: Any) -> dict[str, int]:
    rows = session.execute(select(system, func.count()).where(*where).group_by(system).order_by(system))
    return {row[0]: row[1] for row in rows}


def _acts(session: Session, begin: dt.datetime, end: dt.datetime) -> dict[str, int]:
    done = (AuditEntry.act.in_(REPAIRS), AuditEntry.refused.is_(None), AuditEntry.at >= begin, AuditEntry.at < end)
    return _counted(session, AuditEntry.act, *done)


def _minutes(session: Session, cause: str, begin: dt.datetime, end: dt.datetime) -> dict[str, int]:
    first, after = (int(moment.timestamp()) // MINUTE_SECONDS for moment in (begin, end))
    within = (HoldupSample.minute >= first, HoldupSample.minute < after, HoldupSample.cause == cause)
    return _counted(session, HoldupSample.system, *within)
