"""How long it takes until an order is right, and how fast systems answer."""

from __future__ import annotations

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import db_now
from orderapp.services.backoffice.healing_times import LEAST_ORDERS, SLOWEST, healing_times, percentile
from orderapp.services.backoffice.recent_calls import LEAST_ATTEMPTS, recent_calls
from orderapp.services.db.transactions import reading
from tests.admin.rows import Rows
from tests.services.scripted import Scripted
from tests.services.shop import Shop


def test_it_takes_until_the_last_task_is_done(empty_shop: Shop) -> None:
    empty_shop.with_systems(Scripted("inventory"))
    rows = Rows()
    for seconds in range(1, LEAST_ORDERS + 1):
        order_id = rows.order()
        rows.task(TaskState.DONE, order_id=order_id, finished_at=db_now(seconds / 2))
        rows.task(TaskState.DONE, TaskKind.NOTIFY, order_id, finished_at=db_now(seconds))
        slowest = rows.number(order_id)
    open_order = rows.order()
    rows.task(TaskState.DONE, order_id=open_order, finished_at=db_now(500))
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, open_order)
    with reading() as session:
        seen = healing_times(session)
    assert seen.orders == LEAST_ORDERS
    assert (seen.p50_seconds or 0) < (seen.p95_seconds or 0) < (seen.p99_seconds or 0)
    assert LEAST_ORDERS - 1 < (seen.p99_seconds or 0) < LEAST_ORDERS + 5
    assert len(seen.slowest) == SLOWEST
    assert seen.slowest[0][0] == slowest


def test_too_few_orders_have_no_percentiles(empty_shop: Shop) -> None:
    empty_shop.with_systems(Scripted("inventory"))
    Rows().task(TaskState.DONE)
    with reading() as session:
        seen = healing_times(session)
    assert (seen.orders, seen.p50_seconds, seen.p99_seconds) == (1, None, None)


def test_a_percentile_is_a_value_that_was_there() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert [percentile(hundred, share, 20) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5, 1) == 7
    assert percentile(hundred[:19], 0.5, 20) is None


def test_few_calls_have_no_rate(empty_shop: Shop) -> None:
    empty_shop.with_systems(Scripted("inventory"))
    rows = Rows()
    task_id = rows.task(TaskState.FAILED)
    for number in range(LEAST_ATTEMPTS):
        with reading() as session:
            assert recent_calls(session, ["settlement", "inventory"])["settlement"].success_rate is None
        rows.attempt(task_id, number=number, outcome="done" if number % 4 else "unknown", duration_ms=number + 1)
    with reading() as session:
        found = recent_calls(session, ["settlement", "inventory"])
    assert found["inventory"].outcomes == {}
    assert found["settlement"].outcomes == {"done": 15, "unknown": 5}
    assert found["settlement"].success_rate == 0.75
    assert (found["settlement"].p50_ms, found["settlement"].p95_ms) == (10, 19)
