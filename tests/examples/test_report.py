"""The nightly sales report: a job of twelve lines, with its history."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from examples.report import BERLIN, sales_report
from orderapp.ext.testing import TestedShop, running_shop
from orderapp.models import Order
from orderapp.services.db.transactions import writing
from orderapp.services.engine.enqueue import plan_next_runs


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestedShop]:
    with running_shop(tmp_path, "examples.report") as running:
        yield running


def placed_at(shop: TestedShop, moment: dt.datetime) -> int:
    """Place an order as if at a moment; return its total."""
    order = shop.work_until_done(shop.place().order)
    with writing() as session:
        session.execute(update(Order).where(Order.id == order.id).values(created_at=moment))
    return order.total.minor


def test_it_sums_up_the_confirmed_orders_of_the_day(shop: TestedShop) -> None:
    first, last = dt.datetime(2026, 3, 29, tzinfo=BERLIN), dt.datetime(2026, 3, 29, 23, 59, tzinfo=BERLIN)
    total = placed_at(shop, first) + placed_at(shop, last)
    placed_at(shop, first - dt.timedelta(seconds=1))
    placed_at(shop, dt.datetime(2026, 3, 30, tzinfo=BERLIN))
    ran = shop.run(sales_report, day="2026-03-29")
    assert (ran.state, ran.said) == ("done", (f'{{"day": "2026-03-29", "EUR": {total}}}',))


def test_at_night_it_is_about_the_day_before(shop: TestedShop) -> None:
    plan_next_runs(shop.settings, dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC))
    shop.work()
    # Its time is long ago, by the database's clock.
    assert shop.run(sales_report).state == "done"
    assert shop.history(sales_report)[0].said == ('{"day": "2026-03-28"}',)


def test_what_is_wrong_is_tried_again_and_then_in_staffs_hands(shop: TestedShop) -> None:
    ran = shop.run(sales_report, day="yesterday")
    assert (ran.state, len(ran.said)) == ("failed", 12)
    assert "ValueError: Invalid isoformat string: 'yesterday'" in ran.said[0]


def test_it_has_no_more_than_twelve_lines() -> None:
    assert len(inspect.getsource(sales_report.function).splitlines()) <= 12
