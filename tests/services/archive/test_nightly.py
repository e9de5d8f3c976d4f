"""The job that archives each night: it goes on where it stopped, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderapp.errors import ConfigurationError
from orderapp.services.archive.nightly import archive_orders, schedule
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.services.engine.run_job import run_job
from orderapp.systems.job_registry import Jobs
from orderapp.systems.settings import Environment
from tests.services.archives import let_days_pass, numbers_in, rows_left
from tests.services.shop import Shop


def knowing(shop: Shop, **variables: str) -> Shop:
    jobs = Jobs(shop.with_jobs(archive_orders).settings.jobs.values(), Environment(variables, production=False))
    made = shop.with_settings(jobs=jobs)
    made.app.extensions["orderapp.settings"] = made.settings
    return made


def old_orders(shop: Shop, count: int, days: float = 200) -> set[str]:
    numbers = {shop.submit().order.number for _ in range(count)}
    shop.work_until_quiet()
    let_days_pass(days)
    return numbers


def test_old_orders_are_moved_in_as_many_runs_as_it_takes(
    busy_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orderapp.services.archive.archive.BATCH", 2)
    numbers, shop = old_orders(busy_shop, 5), knowing(busy_shop, ARCHIVE_FOLDER=str(tmp_path))
    task_id = enqueue_alone(archive_orders, {})
    in_time = iter([True, False])  # the worker is told to stop after the first batch
    run_job(task_id, shop.settings, lambda: next(in_time))
    assert shop.task(id=task_id).last_message == "2 orders moved; goes on with the next ones"
    shop.work_until_quiet()
    [file] = tmp_path.glob("orders-????-??.jsonl")
    assert set(numbers_in(file)) == numbers
    assert len(numbers_in(file)) == 5
    assert shop.attempts(task_id=task_id)[-1].message == f'{{"orders": 3, "file": "{file}"}}'
    assert "orders" not in rows_left()


def test_younger_orders_stay(busy_shop: Shop, tmp_path: Path) -> None:
    old_orders(busy_shop, 1, days=60)
    shop = knowing(busy_shop, ARCHIVE_FOLDER=str(tmp_path), ARCHIVE_AFTER_DAYS="61")
    task_id = enqueue_alone(archive_orders, {})
    shop.work_until_quiet()
    assert '"orders": 0' in shop.attempts(task_id=task_id)[-1].message


@pytest.mark.parametrize(
    ("folder", "state", "told"),
    [("", "failed", "ARCHIVE_FOLDER isn't set"), ("/no/such/folder", "waiting", "No such file or directory")],
)
def test_a_folder_that_cannot_be_used_is_said(busy_shop: Shop, folder: str, state: str, told: str) -> None:
    shop = knowing(busy_shop, ARCHIVE_FOLDER=folder)
    task_id = enqueue_alone(archive_orders, {})
    run_job(task_id, shop.settings)
    task = shop.task(id=task_id)
    assert task.state == state
    assert told in (task.last_message or "")


def test_it_runs_each_night_if_there_is_a_folder() -> None:
    assert schedule(Environment({}, production=True)) is None
    assert str(schedule(Environment({"ARCHIVE_FOLDER": "/srv/archive"}, production=True))) == "daily at 03:10 UTC"
    for wrong in ({"ARCHIVE_FOLDER": "archive"}, {"ARCHIVE_AFTER_DAYS": "30"}):
        with pytest.raises(ConfigurationError, match="ARCHIVE_"):
            schedule(Environment(wrong, production=True))
