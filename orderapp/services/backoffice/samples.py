"""Samples, one a minute: how many orders weren't right, and which systems were held up; for charts and trends.

The timer takes them. A month of them is some megabytes, whatever happens, and is read without looking at any order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Integer, delete, func, insert, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from orderapp.models import HoldupSample, OrderSample, SwitchMode, seconds_until
from orderapp.models.base import UtcDateTime
from orderapp.models.samples import FAILING, PAUSED
from orderapp.services.backoffice.lanes import Lane, count_lanes, kept_of
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.upserts import upsert
from orderapp.services.resilience.holdups import Holdup, holdups
from orderapp.services.saga.unknown_systems import unknown_systems

MINUTE_SECONDS = 60
KEPT_MINUTES = 31 * 24 * 60  # the longest chart, and a day
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Period(StrEnum):
    """How far back a chart goes."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"


# How far back, and how many minutes one point of the chart stands for: some 300 points, as many as can be seen.
_MINUTES = {Period.DAY: (24 * 60, 5), Period.WEEK: (7 * 24 * 60, 30), Period.MONTH: (30 * 24 * 60, 120)}


@dataclass(frozen=True, slots=True)
class Point:
    """The most orders that weren't right at once within a stretch of time, by lane."""

    at: dt.datetime  # when the stretch begins
    needs_staff: int
    waits: int
    heals: int

    @property
    def orders(self) -> int:
        """Return how many orders weren't right."""
        return self.needs_staff + self.waits + self.heals


@dataclass(frozen=True, slots=True)
class Shade:
    """A time in which a system was paused or failing."""

    system: str
    cause: str  # PAUSED or FAILING
    begins_at: dt.datetime
    ends_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Chart:
    """The orders that weren't right over a period; stretches without a sample are missing."""

    period: Period
    begins_at: dt.datetime
    ends_at: dt.datetime
    point_seconds: int  # how long the stretch of a point is
    points: tuple[Point, ...]
    shades: tuple[Shade, ...]


def take_sample(systems: Collection[str]) -> None:
    """Count the orders that aren't right, and keep the numbers as those of this minute, if nobody has yet.

    Transaction: one, committed here, after the counting.
    Idempotent because: a minute has one row; a second sample of it changes nothing.
    If we die here: the minute has no sample.
    """
    with reading() as session:
        held = holdups(session)
        kept = kept_of(held, [one.name for one in unknown_systems(session, systems)])
        counts = count_lanes(session, systems, kept)
        minute = _this_minute(session)
    values = {"needs_staff": counts[Lane.STAFF], "waits": counts[Lane.WAITS], "heals": counts[Lane.HEALS]}
    causes = {name: cause for name, holdup in held.items() if (cause := _cause(holdup))}
    with writing() as session:
        first = upsert(session, OrderSample, {"minute": minute, **values}, None, unique="minute")
        if session.execute(first.returning(OrderSample.minute)).scalar_one_or_none() is None:
            return
        if causes:
            session.execute(
                insert(HoldupSample),
                [{"minute": minute, "system": name, "cause": cause} for name, cause in causes.items()],
            )
        for table in (OrderSample, HoldupSample):
            session.execute(delete(table).where(table.minute < minute - KEPT_MINUTES))


def read_chart(session: Session, period: Period) -> Chart:
    """Return the chart of a period up to now. Transaction: reads only, within the caller's."""
    length, step = _MINUTES[period]
    now = _this_minute(session)
    first = (now - length) // step * step
    stretch = _floor(OrderSample.minute, step)
    rows = session.execute(
        select(stretch, func.max(OrderSample.needs_staff), func.max(OrderSample.waits), func.max(OrderSample.heals))
        .where(OrderSample.minute >= first)
        .group_by(stretch)
        .order_by(stretch)
    )
    points = tuple(Point(_at(number * step), *counts) for number, *counts in rows)
    shades = _shades(session, first, step)
    return Chart(period, _at(first), _at(now + 1), step * MINUTE_SECONDS, points, shades)


def recent_points(session: Session) -> tuple[Point, ...]:
    """Return the points of the last day, oldest first, for the trend. Transaction: reads only, within the caller's."""
    return read_chart(session, Period.DAY).points


def _shades(session: Session, first: int, step: int) -> tuple[Shade, ...]:
    stretch = _floor(HoldupSample.minute, step)
    rows = session.execute(
        select(HoldupSample.system, HoldupSample.cause, stretch)
        .where(HoldupSample.minute >= first)
        .group_by(HoldupSample.system, HoldupSample.cause, stretch)
        .order_by(HoldupSample.system, HoldupSample.cause, stretch)
    ).all()
    return tuple(
        Shade(system, cause, _at(begin * step), _at((end + 1) * step)) for system, cause, begin, end in _runs(rows)
    )


def _runs(rows: Sequence[Any]) -> list[tuple[str, str, int, int]]:
    """Join stretches that follow each other: (system, cause, first, last)."""
    runs: list[tuple[str, str, int, int]] = []
    for system, cause, stretch in rows:
        if runs and runs[-1][:2] == (system, cause) and runs[-1][3] == stretch - 1:
            runs[-1] = (*runs[-1][:3], stretch)
        else:
            runs.append((system, cause, stretch, stretch))
    return runs


def _cause(holdup: Holdup) -> str:
    if holdup.failing:
        return FAILING
    return PAUSED if holdup.mode is not SwitchMode.ON else ""


def _this_minute(session: Session) -> int:
    since_epoch = -seconds_until(literal(_EPOCH, UtcDateTime))
    return int(session.execute(select(since_epoch)).scalar_one() // MINUTE_SECONDS)


def _floor(minute: InstrumentedAttribute[int], step: int) -> ColumnElement[int]:
    return minute.op("/", return_type=Integer())(literal(step, Integer, literal_execute=True))


def _at(minute: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(minutes=minute)
