"""The invoice: work that must happen and isn't money, after the payment; one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orderapp.ext.testing import TestedShop, running_shop
from orderapp.models import Resolution, Task
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import OrderView
from orderapp.web.order_reference import reference_of

PLUGIN = "examples.invoice"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestedShop]:
    with running_shop(tmp_path, PLUGIN) as running:
        yield running


def task_of(order: OrderView, system: str) -> Task:
    (found,) = [task.id for task in order.tasks if task.system == system and task.kind != "compensate"]
    with reading() as session:
        return session.get_one(Task, found)


def progress(shop: TestedShop, order: OrderView) -> str:
    return shop.app.test_client().get(f"/orders/{reference_of(order.number)}").text


def test_it_is_stored_once_the_order_is_paid(shop: TestedShop) -> None:
    order = shop.work_until_done(shop.place().order)
    stored = shop.rows("invoice")
    assert list(stored) == [f"{order.number}:1:invoice"]
    assert f"Invoice {order.number}" in str(stored[f"{order.number}:1:invoice"])
    assert "Ready" in progress(shop, order)


def test_it_waits_for_the_payment_and_uses_up_nothing(shop: TestedShop) -> None:
    shop.disturb("settlement", "error_before")
    order = shop.place().order
    for _ in range(3):
        shop.work()
    task = task_of(order, "invoice")
    assert (task.state, task.attempts, task.last_message) == ("waiting", 0, "waits until Settlement is done")
    assert shop.rows("invoice") == {}
    assert "On its way" in progress(shop, order)
    shop.heal()
    assert task_of(shop.work_until_done(order), "invoice").state == "done"


def test_it_is_due_at_once_when_staff_say_that_the_order_is_paid(shop: TestedShop) -> None:
    shop.disturb("settlement", "error_after")
    order = shop.place().order
    shop.work()
    mark([task_of(order, "settlement").id], Resolution.HAPPENED, COMMAND_LINE, "seen at the bank", shop.settings)
    assert task_of(shop.work_until_done(order), "invoice").state == "done"


def test_it_is_deleted_when_the_order_is_cancelled(shop: TestedShop) -> None:
    order = shop.work_until_done(shop.place().order)
    shop.cancel(order)
    order = shop.work_until_done(order)
    assert (order.state, shop.held(order)) == ("cancelled", {})
    assert "Undone, or never done" in progress(shop, order)


@pytest.mark.parametrize("fault", ["error_after", "cut_after", "error_before"])
def test_it_is_stored_once_however_the_store_fails(shop: TestedShop, fault: str) -> None:
    shop.disturb("invoice", fault, scope="do")
    order = shop.place().order
    shop.work()
    shop.work()
    shop.heal()
    assert task_of(shop.work_until_done(order), "invoice").state == "done"
    assert shop.held(order)["invoice"] == 1
