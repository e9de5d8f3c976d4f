"""A system that refuses us altogether, by our credentials or its address, is an outage of that system (T33)."""

from __future__ import annotations

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.models import CircuitState
from orderapp.services.backoffice.overview import look
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.systems.base import Part
from orderapp.systems.limits import Limits
from tests.sandbox.running import RunningSandbox
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop

ORDERS = 5
WHAT = "refuses our credentials (401)"


def lock(system: Scripted, times: int = 1) -> None:
    """Let a system refuse us that often."""
    more = {"message": WHAT, "repeatable": False, "locked_out": True}
    system.acts.extend([answers(Outcome.NOT_SENT, "http_401", **more)] * times)


def test_its_tasks_wait_use_up_nothing_and_go_on_by_themselves(shop: Shop, sandbox: RunningSandbox) -> None:
    orders = [shop.submit().order for _ in range(ORDERS)]
    sandbox.fault("settlement", "unauthorized")
    for _ in range(4):
        shop.make_due()
        shop.work()
    settling = shop.tasks(kind="settle")
    assert {(task.state, task.attempts) for task in settling} == {("waiting", 0)}
    [state] = [one for one in look(shop.settings.systems).systems if one.system.name == "settlement"]
    assert state.circuit.state is CircuitState.OPEN
    assert state.circuit.reason.startswith("Settlement refuses our credentials (401")
    assert "mend its address or credentials" in state.circuit.reason

    sandbox.clear_faults()
    shop.let_probes_be_due()
    shop.work_until_quiet()
    assert {task.state for task in shop.tasks(kind="settle")} == {"done"}
    assert [len(sandbox.held(order.number)) > 0 for order in orders] == [True] * ORDERS


def test_one_answer_opens_the_circuit_and_no_further_call_is_made(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE)
    shop = empty_shop.with_systems(bank)
    for _ in range(ORDERS):
        shop.submit()
    lock(bank, ORDERS)
    shop.work()
    assert bank.verbs() == ["act"]
    circuit = shop.circuit("bank")
    assert circuit is not None
    assert (circuit.state, circuit.reason[: len("Bank " + WHAT)]) == ("open", f"Bank {WHAT}")


def test_an_order_that_meets_it_is_unavailable_not_refused(shop: Shop, sandbox: RunningSandbox) -> None:
    sandbox.fault("inventory", "unauthorized")
    placed = shop.submit()
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.FAILED)
    assert placed.stopped is not None
    assert placed.stopped.outcome is Outcome.NOT_SENT
    circuit = shop.circuit("inventory")
    assert circuit is not None
    assert circuit.state != CircuitState.CLOSED.value
    sandbox.clear_faults()
    shop.let_probes_be_due()
    assert shop.submit().order.state is OrderState.CONFIRMED
    assert shop.circuit("inventory").state == CircuitState.CLOSED.value  # type: ignore[union-attr]


def test_compensations_wait_for_it_too(empty_shop: Shop) -> None:
    stock, no = Scripted("stock", position=1), Scripted("no", position=2)
    no.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))
    shop = empty_shop.with_systems(stock, no)
    more = {"message": WHAT, "repeatable": False, "locked_out": True}
    stock.undos.extend([answers(Outcome.NOT_SENT, "http_401", **more)] * 9)
    shop.submit()
    for _ in range(9):
        shop.let_probes_be_due()
        shop.make_due()
        shop.work()
    task = shop.task(system="stock")
    assert (task.state, task.attempts, len(shop.attempts(task_id=task.id))) == ("waiting", 0, 9)
    shop.let_probes_be_due()
    shop.make_due()
    shop.work_until_quiet()
    assert stock.held == 0


def test_what_only_one_task_meets_while_others_get_through_is_about_that_task(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE)
    shop = empty_shop.with_systems(bank)
    odd = shop.submit().order
    lock(bank)
    shop.work()
    shop.submit()
    shop.let_probes_be_due()
    shop.make_due()
    [other] = [task for task in shop.tasks(kind="settle") if task.order_id != odd.id]
    assert run_task(other.id, shop.settings) == "done"
    lock(bank)
    shop.make_due()
    shop.work()
    task = shop.task(order_id=odd.id)  # type: ignore[arg-type]
    assert (task.state, shop.circuit("bank").state) == ("failed", "closed")  # type: ignore[union-attr]
    assert "others of its calls get through" in (task.last_message or "")


def test_without_circuits_tasks_wait_as_well(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE)
    bank.limits = Limits(circuit_calls=0)
    shop = empty_shop.with_systems(bank)
    shop.submit()
    lock(bank)
    shop.work()
    task = shop.task()
    assert (task.state, task.attempts, shop.circuit("bank")) == ("waiting", 0, None)
    assert 50 < (shop.seconds_until_due(task.id) or 0) <= 60


@pytest.mark.parametrize("status", [400, 404])
def test_a_mistake_in_one_request_stays_for_staff(empty_shop: Shop, status: int) -> None:
    bank = Scripted("bank", Part.SETTLE)
    shop = empty_shop.with_systems(bank)
    bank.acts.append(answers(Outcome.NOT_SENT, f"http_{status}", repeatable=False))
    shop.submit()
    shop.work()
    assert shop.task().state == "failed"
