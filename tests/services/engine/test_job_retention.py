"""The history of jobs is bounded: what ended long ago goes, what staff have to look after stays."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from orderapp.ext import Run, enqueue, job
from orderapp.models import Attempt, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.engine.job_retention import forget_old_runs
from tests.services.shop import Shop

DAY_SECONDS = 86_400


@job("do-or-fail", attempts=1)
def do_or_fail(run: Run) -> None:
    if run.arguments["fails"]:
        raise RuntimeError("as it was told to")


def ran(shop: Shop, *, fails: bool, days_ago: int) -> int:
    with writing() as session:
        task_id = enqueue(do_or_fail, session, fails=fails)
    shop.work_until_quiet()
    with writing() as session:
        ended = {"finished_at": None if fails else db_now(-days_ago * DAY_SECONDS)}
        session.execute(update(Task).where(Task.id == task_id).values(created_at=db_now(-days_ago * 86_400), **ended))
    return task_id


def test_what_jobs_did_long_ago_is_deleted_and_the_rest_stays(busy_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderapp.services.engine.job_retention.SLICE", 2)  # more than one part
    order = busy_shop.submit().order
    shop = busy_shop.with_jobs(do_or_fail, forget_old_runs)
    shop.work_until_quiet()
    for _ in range(3):
        ran(shop, fails=False, days_ago=91)
    young, failed = ran(shop, fails=False, days_ago=89), ran(shop, fails=True, days_ago=400)
    with writing() as session:
        # However old the work of an order is, only its archive takes it away.
        session.execute(update(Task).where(Task.order_id == order.id).values(finished_at=db_now(-400 * DAY_SECONDS)))
        enqueue(forget_old_runs, session)
    shop.work_until_quiet()
    with writing() as session:
        left = set(session.scalars(select(Task.id).where(Task.system == "do-or-fail")))
        of_attempts = set(session.scalars(select(Attempt.task_id).where(Attempt.system == "do-or-fail")))
    assert left == of_attempts == {young, failed}
    assert shop.attempts(system="forget-old-runs")[0].message == '{"deleted": 3}'
    assert shop.attempts(order_id=order.id)
