"""Which orders aren't right yet, and which lane each of them is in."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import select

from orderapp.domain.money import Money
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Circuit, Mismatch, Order, Placement, SwitchMode, Task, db_now
from orderapp.services.backoffice.lanes import Lane, NotRight, count_lanes, has_open_task, is_in, kept_systems, look
from orderapp.services.backoffice.task_actions import cancel
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.switches import switch_system
from orderapp.services.saga.compensation import reopen
from orderapp.systems.base import Part
from tests.admin.rows import Rows
from tests.services.scripted import Scripted
from tests.services.shop import Shop

LONG_AGO = {"created_at": db_now(-900), "updated_at": db_now(-900)}
LATE = {"created_at": db_now(-900)}


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    systems = Scripted("inventory"), Scripted("settlement", Part.SETTLE), Scripted("email", Part.NOTIFY)
    return empty_shop.with_systems(*systems)


@pytest.fixture
def rows(shop: Shop) -> Rows:
    return Rows()


def looked(shop: Shop) -> NotRight:
    with reading() as session:
        return look(session, shop.settings.systems, kept_systems(session, shop.settings.systems))


def lane_of(shop: Shop, order_id: uuid.UUID) -> Lane | None:
    """The lane that has an order; it is in one at most, and is counted there."""
    systems = shop.settings.systems
    with reading() as session:
        kept = kept_systems(session, systems)
        own = select(Order.id).where(Order.id == order_id)
        lanes = [lane for lane in Lane if session.scalar(own.where(is_in([lane], systems, kept)))]
        counts = count_lanes(session, systems, kept)
    assert sum(counts.values()) == len(lanes) <= 1
    assert {lane: total.orders.number for lane, total in looked(shop).lanes.items()} == {
        lane: int(lane in lanes) for lane in Lane
    }
    return lanes[0] if lanes else None


def mismatch(order_id: uuid.UUID) -> None:
    with writing() as session:
        placement = session.scalars(select(Placement.id).where(Placement.order_id == order_id)).one()
        said = {"kind": "missing effect", "ours": "step done", "theirs": "undone", "correction": "do"}
        seen = {"state": "open", "found_at": db_now(), "last_seen_at": db_now()}
        session.add(Mismatch(order_id=order_id, placement_id=placement, system="inventory", key="k", **said, **seen))


def test_an_order_that_is_right_is_in_no_lane(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    rows.task(TaskState.DONE, order_id=order_id)
    assert lane_of(shop, order_id) is None


def test_a_failed_task_needs_staff_even_if_another_waits(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    rows.task(TaskState.FAILED, order_id=order_id)
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, order_id, **LATE)
    assert lane_of(shop, order_id) is Lane.STAFF


def test_an_open_mismatch_needs_staff(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    mismatch(order_id)
    assert lane_of(shop, order_id) is Lane.STAFF


def test_what_was_given_up_needs_staff_until_it_is_proven(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    cancel([rows.task(TaskState.FAILED, order_id=order_id)], COMMAND_LINE, "they went bankrupt")
    assert lane_of(shop, order_id) is Lane.STAFF


def test_a_late_task_heals_by_itself_and_says_until_when(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    task_id = rows.task(TaskState.WAITING, order_id=order_id, **LATE)
    assert lane_of(shop, order_id) is Lane.HEALS
    assert looked(shop).healed_at == rows.read(Task, task_id).due_at


@pytest.mark.parametrize("state", [OrderState.PLACING, OrderState.COMPENSATING])
def test_an_order_that_is_under_way_for_long_heals_by_itself(shop: Shop, rows: Rows, state: OrderState) -> None:
    assert lane_of(shop, rows.order(state, **LONG_AGO)) is Lane.HEALS


def test_what_began_a_moment_ago_is_under_way_and_not_wrong(shop: Shop, rows: Rows) -> None:
    order_id = rows.order()
    rows.task(TaskState.WAITING, order_id=order_id)
    rows.task(TaskState.RUNNING, TaskKind.NOTIFY, order_id)
    assert lane_of(shop, order_id) is None


def test_a_task_of_a_paused_system_waits_for_it(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    rows.task(TaskState.WAITING, order_id=order_id)
    switch_system("settlement", SwitchMode.PAUSED, COMMAND_LINE, "they move house", shop.settings)
    assert lane_of(shop, order_id) is Lane.WAITS
    assert looked(shop).waits_for == {"settlement": 1}


def test_a_task_of_a_failing_system_waits_for_it(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, order_id)
    moments = {"changed_at": db_now(), "probe_at": db_now(), "order_probe_at": db_now(), "check_at": db_now()}
    with writing() as session:
        session.add(
            Circuit(system="email", state="open", reason="down", probe_pause_seconds=4, pulled_task_id=0, **moments)
        )
    assert lane_of(shop, order_id) is Lane.WAITS


def test_a_task_of_an_unknown_system_waits_for_a_version_that_knows_it(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(**LONG_AGO)
    rows.task(TaskState.WAITING, order_id=order_id, system="bygone")
    assert lane_of(shop, order_id) is Lane.WAITS


@pytest.mark.parametrize(("kind", "lane"), [(TaskKind.SETTLE, Lane.WAITS), (TaskKind.COMPENSATE, Lane.HEALS)])
def test_a_system_that_only_gives_back_keeps_the_rest(shop: Shop, rows: Rows, kind: TaskKind, lane: Lane) -> None:
    order_id = rows.order(**LONG_AGO)
    task_id = rows.task(TaskState.WAITING, kind, order_id, **LATE)
    system = rows.read(Task, task_id).system
    switch_system(system, SwitchMode.COMPENSATE_ONLY, COMMAND_LINE, "half well", shop.settings)
    assert lane_of(shop, order_id) is lane


def test_it_says_how_much_is_at_stake_by_currency_and_since_when(shop: Shop, rows: Rows) -> None:
    old = {"created_at": db_now(-40 * 86_400), "updated_at": db_now(-40 * 86_400)}
    for values in ({"total_minor": 700}, {"total_minor": 55, "currency": "JPY"}, old):
        order_id = rows.order(**{**LONG_AGO, **values})
        rows.task(TaskState.FAILED, order_id=order_id, created_at=db_now(-3600))
    mismatch(order_id)
    rows.order(**LONG_AGO)
    seen = looked(shop)
    total = seen.lanes[Lane.STAFF]
    assert (total.recent.number, total.older.number, seen.placed.number) == (2, 1, 3)
    assert total.money == (Money(1700, "EUR"), Money(55, "JPY"))
    assert 3600 <= total.oldest_seconds < 3700


def test_a_compensation_that_was_done_is_open_since_its_effect_came_late(shop: Shop, rows: Rows) -> None:
    order_id = rows.order(OrderState.CANCELLED, **LONG_AGO)
    task_id = rows.task(TaskState.DONE, TaskKind.COMPENSATE, order_id, **LATE)
    with writing() as session:
        reopen(session, order_id, rows.read(Task, task_id).placement_id, shop.settings.systems["inventory"])
    assert lane_of(shop, order_id) is Lane.HEALS
    assert looked(shop).lanes[Lane.HEALS].oldest_seconds < 60


@pytest.mark.parametrize("narrowed", [False, True])
def test_orders_are_found_by_the_system_that_they_are_open_at(shop: Shop, rows: Rows, narrowed: bool) -> None:
    order_id = rows.order()
    rows.task(TaskState.RUNNING, order_id=order_id)
    rows.task(TaskState.DONE, order_id=rows.order())
    with reading() as session:
        found = session.scalars(select(Order.id).where(has_open_task("settlement", narrowed))).all()
        assert session.scalars(select(Order.id).where(has_open_task("email", narrowed))).all() == []
    assert found == [order_id]
