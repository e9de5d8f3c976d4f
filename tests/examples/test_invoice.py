"""The invoice: work that must happen and isn't money, after the payment; one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orderapp.domain.states import TaskState
from orderapp.models import Resolution
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.orders.views import find_order
from orderapp.web.order_reference import reference_of
from tests.examples.ordering import rows_of, shop_with
from tests.sandbox.running import RunningSandbox
from tests.services.shop import Shop

PLUGIN = "examples.invoice"
Running = tuple[Shop, RunningSandbox]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with shop_with(PLUGIN, tmp_path) as both:
        yield both


def state_of(shop: Shop, system: str) -> str:
    (task,) = shop.tasks(system=system)
    return str(task.state)


def progress(shop: Shop, number: str) -> str:
    return shop.app.test_client().get(f"/orders/{reference_of(number)}").text


def test_it_is_stored_once_the_order_is_paid(running: Running) -> None:
    shop, sandbox = running
    order = shop.submit().order
    shop.work_until_quiet()
    stored = rows_of(sandbox, "invoice")
    assert list(stored) == [f"{order.number}:1:invoice"]
    assert f"Invoice {order.number}" in stored[f"{order.number}:1:invoice"]
    assert "Ready" in progress(shop, order.number)


def test_it_waits_for_the_payment_and_uses_up_nothing(running: Running) -> None:
    shop, sandbox = running
    sandbox.fault("settlement", "error_before")
    order = shop.submit().order
    for _ in range(3):
        shop.work()
    (task,) = shop.tasks(system="invoice")
    assert (task.state, task.attempts, task.last_message) == ("waiting", 0, "waits until Settlement is done")
    assert rows_of(sandbox, "invoice") == {}
    assert "On its way" in progress(shop, order.number)
    sandbox.clear_faults()
    shop.make_due()
    shop.let_probes_be_due()
    shop.work_until_quiet()
    assert state_of(shop, "invoice") == "done"


def test_it_is_due_at_once_when_staff_say_that_the_order_is_paid(running: Running) -> None:
    shop, sandbox = running
    sandbox.fault("settlement", "error_after")
    shop.submit()
    shop.work()
    (task,) = shop.tasks(system="settlement")
    mark([task.id], Resolution.HAPPENED, COMMAND_LINE, "seen at the bank", shop.settings)
    shop.work_until_quiet()
    assert state_of(shop, "invoice") == "done"


def test_it_is_deleted_when_the_order_is_cancelled(running: Running) -> None:
    shop, sandbox = running
    order = shop.submit().order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert find_order(order.id).state == "cancelled"
    assert sandbox.held(order.number).get("invoice") is None
    assert "Undone, or never done" in progress(shop, order.number)


@pytest.mark.parametrize("fault", ["error_after", "cut_after", "error_before"])
def test_it_is_stored_once_however_the_store_fails(running: Running, fault: str) -> None:
    shop, sandbox = running
    sandbox.fault("invoice", fault, scope="do")
    order = shop.submit().order
    shop.work()
    shop.work()
    sandbox.clear_faults()
    shop.make_due()
    shop.let_probes_be_due()
    shop.work_until_quiet_but_for_staff()
    assert state_of(shop, "invoice") == TaskState.DONE.value
    assert sandbox.held(order.number)["invoice"] == 1
