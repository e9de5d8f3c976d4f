"""The daily reconciliation, a job: it keeps what it finds, and goes on where it stopped."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from orderapp.config import Settings
from orderapp.models import Mismatch, Reconciliation
from orderapp.services.db.transactions import reading
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.services.engine.run_job import run_job
from orderapp.services.reconciliation.nightly import reconcile_orders
from orderapp.services.reconciliation.runs import take
from tests.services.scripted import OneOfEach
from tests.services.shop import Shop

DAY = 86_400.0


@pytest.fixture
def shop(busy_shop: Shop) -> Shop:
    return busy_shop.with_jobs(reconcile_orders)


def orders_of_the_day_before(shop: Shop, count: int) -> None:
    for _ in range(count):
        shop.submit()
    shop.work_until_quiet()
    shop.age_orders(DAY + 60)


def runs() -> list[Reconciliation]:
    with reading() as session:
        return list(session.scalars(select(Reconciliation).order_by(Reconciliation.id)))


def said(shop: Shop) -> list[str]:
    return [attempt.message for attempt in shop.attempts(verb="run")]


def test_what_it_finds_is_kept_and_summed_up(shop: Shop, systems: OneOfEach) -> None:
    orders_of_the_day_before(shop, 2)
    lost = shop.tasks(kind="settle")[0]
    bank = next(system for system in systems.all if system.name == lost.system)
    bank.in_place[lost.key] = bank.ever_done[lost.key] = 0
    enqueue_alone(reconcile_orders, {})
    shop.work_until_quiet()
    with reading() as session:
        [mismatch] = session.scalars(select(Mismatch)).all()
    assert (mismatch.key, mismatch.kind) == (lost.key, "missing effect")
    assert '"orders": 2, "mismatches": 1' in said(shop)[0]


def test_a_run_without_time_is_gone_on_with_by_the_next(shop: Shop) -> None:
    orders_of_the_day_before(shop, 5)
    task_id = enqueue_alone(reconcile_orders, {})
    times = iter([True, True, True, True])
    assert run_job(task_id, shop.settings, lambda: next(times, False)) == "waiting"
    assert runs()[0].finished_at is None
    shop.work_until_quiet()
    [run] = runs()
    assert run.finished_at is not None
    assert '"orders": 5' in run.counts
    task = shop.task(id=task_id)
    assert (task.state, task.attempts) == ("done", 1)


def test_it_waits_for_one_that_is_under_way(shop: Shop) -> None:
    orders_of_the_day_before(shop, 1)
    take(2 * DAY, 60)
    task_id = enqueue_alone(reconcile_orders, {})
    assert run_job(task_id, shop.settings) == "waiting"
    assert shop.task(id=task_id).last_message == "another reconciliation is under way"


def test_without_old_orders_there_is_nothing_to_compare(shop: Shop) -> None:
    enqueue_alone(reconcile_orders, {})
    shop.work_until_quiet()
    assert said(shop) == ["there is nothing to compare yet"]
    assert runs() == []


@pytest.mark.parametrize(("seconds", "schedule"), [("86400", "every day"), ("7200", "every 2 hours"), ("0", "None")])
def test_the_setting_says_how_often(seconds: str, schedule: str) -> None:
    settings = Settings.from_environment({"ORDERAPP_MODE": "development", "RECONCILE_INTERVAL_SECONDS": seconds})
    assert str(settings.jobs["reconcile-orders"].schedule) == schedule
