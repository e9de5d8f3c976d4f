"""The contract of every system that `ORDERAPP_PLUGINS` names: nothing is lost, nothing stays, nothing happens twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderapp.domain.states import OrderState
from orderapp.ext.testing.running import running_shop
from orderapp.ext.testing.shop import Killed, TestedShop
from orderapp.systems.base import Part, System
from orderapp.systems.registry import plugin_modules, system_classes

PLUGINS = os.environ.get("ORDERAPP_PLUGINS", "")
SHIPPED = {kind.name for kind in system_classes()}
KINDS = [kind for kind in system_classes(plugin_modules(os.environ)) if kind.name not in SHIPPED]
UNDOABLE = [kind for kind in KINDS if kind.part is not Part.NOTIFY]
# Each leaves open whether the call was carried out, or says nothing of it.
FAULTS = (
    "error_before",
    "error_after",
    "cut_before",
    "cut_after",
    "garbage",
    "garbage_before",
    "unavailable",
    "rate_limited",
    "redirect",
    "huge",
)
DEATHS = [("act", False), ("act", True), ("undo", False), ("undo", True)]

every = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
every_undoable = pytest.mark.parametrize("kind", UNDOABLE, ids=lambda kind: kind.name)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestedShop]:
    """A running shop with the plugins."""
    with running_shop(tmp_path, PLUGINS) as running:
        yield running


def held_once(shop: TestedShop, kind: type[System], order: object) -> bool:
    """Whether a system holds exactly one effect of an order."""
    return kind.part is Part.NOTIFY or shop.held(order).get(kind.name) == 1  # type: ignore[arg-type]


@every
def test_its_example_is_confirmed_and_its_effect_is_in_place_once(shop: TestedShop, kind: type[System]) -> None:
    """An order with the inputs of `example` concerns the system, and ends well."""
    order = shop.work_until_done(shop.place(**kind.example).order)
    assert order.state is OrderState.CONFIRMED
    systems = {step.system for step in order.steps} | {task.system for task in order.tasks}
    assert kind.name in systems, "`example` doesn't concern the system"
    assert [task for task in order.tasks if task.state != "done"] == []
    assert held_once(shop, kind, order)


@every_undoable
def test_a_cancelled_order_holds_nothing(shop: TestedShop, kind: type[System]) -> None:
    """Cancelling undoes the effect."""
    order = shop.work_until_done(shop.place(**kind.example).order)
    shop.cancel(order)
    order = shop.work_until_done(order)
    assert (order.state, dict(shop.held(order))) == (OrderState.CANCELLED, {})


@every
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_its_call_leaves_all_or_nothing(shop: TestedShop, kind: type[System], fault: str) -> None:
    """Once the fault is over, the order is confirmed with its effect in place once, or failed with nothing held."""
    shop.disturb(kind.name, fault, scope="do", seconds=0)
    order = shop.place(**kind.example).order
    for _ in range(3):
        shop.work()
    shop.heal()
    order = shop.work_until_done(order)
    if order.state is OrderState.CONFIRMED:
        assert held_once(shop, kind, order)
        assert not [task for task in order.tasks if task.kind != "notify" and task.state != "done"]
    else:
        assert (order.state, dict(shop.held(order))) == (OrderState.FAILED, {})


@every_undoable
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_its_undo_leaves_nothing(shop: TestedShop, kind: type[System], fault: str) -> None:
    """Once the fault is over, a cancelled order holds nothing."""
    order = shop.work_until_done(shop.place(**kind.example).order)
    shop.disturb(kind.name, fault, scope="undo", seconds=0)
    shop.cancel(order)
    for _ in range(3):
        shop.work()
    shop.heal()
    order = shop.work_until_done(order)
    assert (order.state, dict(shop.held(order))) == (OrderState.CANCELLED, {})


@every_undoable
@pytest.mark.parametrize(("verb", "after"), DEATHS, ids=str)
def test_a_process_that_dies_at_its_call_loses_nothing(
    shop: TestedShop, kind: type[System], verb: str, after: bool
) -> None:
    """Whoever takes over leaves the effect in place once, or nothing held; here the order is cancelled in the end."""
    if verb == "act":
        shop.die(kind.name, "act", after=after)
    try:
        order = shop.place(**kind.example).order
    except Killed:
        (order,) = shop.orders()
    order = shop.work_until_done(order)
    if order.state is OrderState.CONFIRMED:
        if verb == "undo":
            shop.die(kind.name, "undo", after=after)
        shop.cancel(order)
        order = shop.work_until_done(order)
    assert (order.state, dict(shop.held(order))) in [(OrderState.CANCELLED, {}), (OrderState.FAILED, {})]
