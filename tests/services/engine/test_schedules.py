"""Scheduled jobs: each time is run once, however many timers there are and whatever was down."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest

from orderapp.domain.states import TaskState
from orderapp.ext import Daily, Every, Run, enqueue, job
from orderapp.models import Task
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.enqueue import plan_next_runs
from orderapp.systems.jobs import Job
from tests.services.shop import Shop

SATURDAY = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-{text}:00").replace(tzinfo=dt.UTC)


def report(ran: list[Run], every: Any = Daily("02:30", "Europe/Berlin")) -> Job:  # noqa: B008
    @job("sales-report", every=every)
    def sales_report(run: Run) -> None:
        ran.append(run)

    return sales_report


def times_of(tasks: list[Task]) -> list[str]:
    return [f"{task.scheduled_at:%m-%d %H:%M} {task.state}" for task in tasks]


def test_the_next_run_is_planned_once_and_runs_at_its_time(empty_shop: Shop) -> None:
    ran: list[Run] = []
    shop = empty_shop.with_jobs(report(ran))
    assert [plan_next_runs(shop.settings, SATURDAY) for _ in range(3)] == [1, 0, 0]
    [task] = shop.tasks()
    # In the night in which the clock jumps past half past two, it runs at the jump.
    assert (task.due_at, task.scheduled_at, task.publish_at) == (at("03-29T01:00"),) * 3
    shop.make_due()
    assert shop.work() == 1
    assert [run.scheduled_at for run in ran] == [at("03-29T01:00")]
    assert plan_next_runs(shop.settings, at("03-29T01:00")) == 1
    assert times_of(shop.tasks()) == ["03-29 01:00 done", "03-30 00:30 waiting"]


def test_the_hour_that_comes_twice_is_run_once(empty_shop: Shop) -> None:
    ran: list[Run] = []
    shop = empty_shop.with_jobs(report(ran))
    for text in ("10-24T23:00", "10-25T00:31", "10-25T01:29", "10-25T01:31"):
        plan_next_runs(shop.settings, at(text))
        if text == "10-24T23:00":
            shop.make_due()
            assert shop.work() == 1
    assert times_of(shop.tasks()) == ["10-25 00:30 done", "10-26 01:30 waiting"]


def test_times_that_were_missed_are_run_once(empty_shop: Shop) -> None:
    """Whether the timers were down, or the workers, or staff had paused it."""
    ran: list[Run] = []
    shop = empty_shop.with_jobs(report(ran, Every(3600)))
    plan_next_runs(shop.settings, at("01-01T00:30"))
    for hours in range(1, 12):
        assert plan_next_runs(shop.settings, at("01-01T00:30") + dt.timedelta(hours=hours)) == 0
    shop.make_due()
    assert shop.work() == 1
    assert plan_next_runs(shop.settings, at("01-01T12:30")) == 1
    assert times_of(shop.tasks()) == ["01-01 01:00 done", "01-01 13:00 waiting"]


def test_a_run_that_is_repeated_holds_up_none_of_the_next_times(empty_shop: Shop) -> None:
    @job("sales-report", every=Every(3600))
    def sales_report(run: Run) -> None:
        raise RuntimeError("no numbers yet")

    shop = empty_shop.with_jobs(sales_report, base_seconds=1000.0, max_seconds=1000.0)
    plan_next_runs(shop.settings, at("01-01T00:30"))
    shop.make_due()
    assert shop.work() == 1
    assert plan_next_runs(shop.settings, at("01-01T01:00")) == 1
    assert times_of(shop.tasks()) == ["01-01 01:00 waiting", "01-01 02:00 waiting"]


def test_any_number_of_timers_plan_a_run_once(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(report([]))
    begin, planned = threading.Barrier(5), []

    def timer() -> None:
        begin.wait(20)
        with shop.app.app_context():
            planned.append(plan_next_runs(shop.settings, SATURDAY))

    timers = [threading.Thread(target=timer) for _ in range(5)]
    for one in timers:
        one.start()
    for one in timers:
        one.join(20)
    assert sorted(planned) == [0, 0, 0, 0, 1]
    assert len(shop.tasks()) == 1


def test_by_the_databases_clock_if_no_time_is_given(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(report([], Every(3600)))
    assert plan_next_runs(shop.settings) == 1
    left = shop.seconds_until_due(shop.task().id)
    assert left is not None
    assert 0 < left <= 3600


def test_a_run_that_staff_gave_up_is_not_planned_again(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(report([]))
    plan_next_runs(shop.settings, SATURDAY)
    assert task_actions.cancel([shop.task().id], COMMAND_LINE, "not tonight").items[0].done
    assert plan_next_runs(shop.settings, SATURDAY) == 0
    assert plan_next_runs(shop.settings, at("03-29T01:00")) == 1
    assert times_of(shop.tasks()) == ["03-29 01:00 cancelled", "03-30 00:30 waiting"]


def test_a_planned_run_keeps_its_time(empty_shop: Shop) -> None:
    """Requeued before it, it would take its own time's place, and nothing would run then."""
    shop = empty_shop.with_jobs(report([], Every(86_400)))
    plan_next_runs(shop.settings)
    planned = shop.task()
    refused = task_actions.requeue([planned.id], COMMAND_LINE, "earlier", shop.settings).items[0]
    assert not refused.done
    assert "it runs at its own time; “Run now” on its page runs the job now, beside it" in refused.text
    assert task_actions.cancel([planned.id], COMMAND_LINE, "not tonight").items[0].done
    assert task_actions.requeue([planned.id], COMMAND_LINE, "tonight after all", shop.settings).items[0].done
    again = shop.task()
    assert (again.state, again.due_at, again.publish_at) == ("waiting", planned.due_at, planned.due_at)


def test_a_planned_run_whose_time_has_passed_can_be_requeued(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(report([]))
    plan_next_runs(shop.settings, at("01-01T12:00"))
    assert task_actions.requeue([shop.task().id], COMMAND_LINE, "go", shop.settings).items[0].done
    assert shop.work() == 1


def test_a_schedule_that_became_earlier_counts_at_once(empty_shop: Shop) -> None:
    shop = empty_shop.with_jobs(report([], Daily("23:00")))
    plan_next_runs(shop.settings, SATURDAY)
    shop = shop.with_jobs(report([], Daily("13:00")))
    assert [plan_next_runs(shop.settings, SATURDAY) for _ in range(2)] == [1, 0]
    assert times_of(shop.tasks()) == ["03-28 23:00 waiting", "03-28 13:00 waiting"]


@pytest.mark.parametrize("key", ["schedule:other", None])
def test_what_is_enqueued_holds_up_no_schedule(empty_shop: Shop, key: str | None) -> None:
    shop = empty_shop.with_jobs(sales_report := report([]))
    with writing() as session:
        enqueue(sales_report, session, key=key)
    assert plan_next_runs(shop.settings, SATURDAY) == 1
    assert [task.state for task in shop.tasks()] == [TaskState.WAITING.value] * 2
