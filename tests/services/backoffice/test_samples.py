"""The samples of each minute, and the chart that is made of them."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import func, select

from orderapp.domain.states import TaskState
from orderapp.models import HoldupSample, OrderSample, SwitchMode
from orderapp.services.backoffice.samples import KEPT_MINUTES, Chart, Period, read_chart, take_sample
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.switches import switch_system
from orderapp.systems.base import Part
from tests.admin.rows import Rows
from tests.services.scripted import Scripted
from tests.services.shop import Shop


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    return empty_shop.with_systems(Scripted("inventory"), Scripted("settlement", Part.SETTLE))


def chart(period: Period = Period.DAY) -> Chart:
    with reading() as session:
        return read_chart(session, period)


def present_minute() -> int:
    with reading() as session:
        return int(session.execute(select(func.max(OrderSample.minute))).scalar_one())


def test_a_sample_counts_the_lanes_and_names_what_is_held_up(shop: Shop) -> None:
    Rows().task(TaskState.FAILED)
    switch_system("settlement", SwitchMode.PAUSED, COMMAND_LINE, "they move house", shop.settings)
    Rows().task(TaskState.WAITING)
    take_sample(shop.settings.systems)
    seen = chart()
    [point] = seen.points
    assert (point.needs_staff, point.waits, point.heals) == (1, 1, 0)
    [shade] = seen.shades
    assert (shade.system, shade.cause) == ("settlement", "paused")
    assert shade.begins_at <= dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    assert shade.ends_at - shade.begins_at == dt.timedelta(minutes=5)


def test_of_several_timers_one_keeps_the_sample_of_a_minute(shop: Shop) -> None:
    take_sample(shop.settings.systems)
    taken = present_minute()
    with writing() as session:
        session.merge(OrderSample(minute=taken, needs_staff=7, waits=0, heals=0))
        session.merge(OrderSample(minute=taken + 1, needs_staff=7, waits=0, heals=0))
    take_sample(shop.settings.systems)
    with reading() as session:
        assert [row.needs_staff for row in session.scalars(select(OrderSample))] == [7, 7]


def test_samples_are_kept_for_a_month(shop: Shop) -> None:
    take_sample(shop.settings.systems)
    now = present_minute()
    with writing() as session:
        for minute in (now - KEPT_MINUTES - 10, now - KEPT_MINUTES + 10):
            session.add(OrderSample(minute=minute, needs_staff=0, waits=0, heals=0))
            session.add(HoldupSample(minute=minute, system="settlement", cause="failing"))
        session.delete(session.get_one(OrderSample, now))
    take_sample(shop.settings.systems)
    with reading() as session:
        kept = set(session.scalars(select(OrderSample.minute)))
        assert min(kept) == now - KEPT_MINUTES + 10
        assert list(session.scalars(select(HoldupSample.minute))) == [now - KEPT_MINUTES + 10]


def test_a_point_is_the_highest_of_its_stretch_and_shades_that_meet_are_one(shop: Shop) -> None:
    take_sample(shop.settings.systems)
    now = present_minute() // 120 * 120
    with writing() as session:
        for age, orders in ((1, 3), (2, 9), (60, 2), (600, 1)):
            session.add(OrderSample(minute=now - age, needs_staff=orders, waits=0, heals=0))
        for age in (*range(1, 200), 600):
            session.add(HoldupSample(minute=now - age, system="settlement", cause="failing"))
    month = chart(Period.MONTH)
    assert [point.needs_staff for point in month.points][:2] == [1, 9]
    lengths = [(shade.ends_at - shade.begins_at) / dt.timedelta(hours=1) for shade in month.shades]
    assert lengths == [2, 4]
