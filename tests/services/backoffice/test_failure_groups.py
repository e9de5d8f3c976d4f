"""Failed tasks in groups: what they have in common, what they cost, and which may happen twice."""

from __future__ import annotations

import pytest

from orderapp.domain.money import Money
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import db_now
from orderapp.services.backoffice.failure_groups import SHOWN_SINGLES, FailureGroup, failure_groups
from orderapp.services.db.transactions import reading
from orderapp.systems.base import Part
from tests.admin.rows import Rows
from tests.services.scripted import Scripted
from tests.services.shop import Shop


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    text = Scripted("sms", Part.NOTIFY, Guarantee.UNSAFE)
    return empty_shop.with_systems(Scripted("inventory"), Scripted("settlement", Part.SETTLE), text)


def groups(shop: Shop) -> tuple[FailureGroup, ...]:
    with reading() as session:
        return failure_groups(session, shop.settings.systems)


def test_tasks_are_grouped_by_kind_system_and_error_the_largest_group_first(shop: Shop) -> None:
    rows = Rows()
    for code in ("http_502", "unauthorized", "http_502", None):
        rows.task(TaskState.FAILED, last_code=code)
    rows.task(TaskState.FAILED, TaskKind.COMPENSATE, last_code="http_502")
    rows.task(TaskState.DONE)
    found = [(group.kind, group.system, group.code, group.tasks, group.orders) for group in groups(shop)]
    assert found[0] == ("settle", "settlement", "http_502", 2, 2)
    assert sorted(found[1:]) == [
        ("compensate", "inventory", "http_502", 1, 1),
        ("settle", "settlement", "", 1, 1),
        ("settle", "settlement", "unauthorized", 1, 1),
    ]


def test_a_group_says_what_its_orders_cost_and_when_it_was_first_and_last_seen(shop: Shop) -> None:
    rows = Rows()
    for age, currency in ((300, "EUR"), (60, "EUR"), (120, "JPY")):
        task_id = rows.task(TaskState.FAILED, order_id=rows.order(currency=currency))
        rows.attempt(task_id, number=11, started_at=db_now(-9000))
        rows.attempt(task_id, number=12, started_at=db_now(-age))
    [group] = groups(shop)
    assert group.money == (Money(2000, "EUR"), Money(1000, "JPY"))
    assert (group.tasks, group.orders, group.said) == (3, 3, "answered 500")
    assert 239 < (group.last_at - group.first_at).total_seconds() < 241


def test_what_may_happen_twice_is_a_group_of_its_own_with_what_is_known_of_each(shop: Shop) -> None:
    rows = Rows()
    order_id = rows.order(customer_phone="+491701234567")
    doubtful = rows.task(TaskState.FAILED, TaskKind.NOTIFY, order_id, system="sms")
    rows.attempt(doubtful, number=12, outcome="unknown")
    harmless = rows.task(TaskState.FAILED, TaskKind.NOTIFY, system="sms")
    rows.attempt(harmless, number=12, outcome="refused")
    # Doubtful as well, but its system does nothing twice.
    rows.attempt(rows.task(TaskState.FAILED), number=12, outcome="unknown")
    twice = [group for group in groups(shop) if group.twice]
    assert [(group.system, group.tasks, group.oldest_task_id) for group in twice] == [("sms", 1, doubtful)]
    [single] = twice[0].singles
    assert (single.task_id, single.order_number) == (doubtful, rows.number(order_id))
    assert single.customer == ("Ann", "ann@example.com", "+491701234567")
    assert single.last_at is not None
    assert sorted((group.system, group.tasks) for group in groups(shop) if not group.twice) == [
        ("settlement", 1),
        ("sms", 1),
    ]


def test_of_many_that_may_happen_twice_the_oldest_are_named(shop: Shop) -> None:
    rows = Rows()
    tasks = [rows.task(TaskState.FAILED, TaskKind.NOTIFY, system="sms") for _ in range(SHOWN_SINGLES + 1)]
    for task_id in tasks:
        rows.attempt(task_id, number=12, outcome="unknown")
    [group] = groups(shop)
    assert [single.task_id for single in group.singles] == tasks[:SHOWN_SINGLES]
    assert group.tasks == SHOWN_SINGLES + 1
