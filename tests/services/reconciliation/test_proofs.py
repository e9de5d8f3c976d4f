"""Reconciliation proves or disproves what staff said, and keeps unresolved effects counted until they are resolved."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.models import ManualResolution, Mismatch, Resolution, db_now
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.views import OrderView
from tests.servers.loopback import poll_until
from tests.services.listening import reconciled
from tests.services.scripted import OneOfEach, answers, does_it_then
from tests.services.shop import Shop
from tests.services.tampering import correct_mismatch

HOUR = 3600.0
UNPROVEN: list[str | None] = [None]


def ended_by() -> list[str | None]:
    with reading() as session:
        return list(session.scalars(select(ManualResolution.ended_by).order_by(ManualResolution.id)))


def mismatch() -> Mismatch:
    with reading() as session:
        return session.scalars(select(Mismatch)).one()


def let_resolutions_grow_old() -> None:
    with writing() as session:
        session.execute(update(ManualResolution).values(made_at=db_now(-HOUR)))


def marked(shop: Shop, systems: OneOfEach, happened: bool) -> OrderView:
    """A confirmed order whose settlement is in staff's hands, in place or not; nobody knows."""
    unknown = does_it_then(systems.bank) if happened else answers(Outcome.UNKNOWN, "timeout")
    systems.bank.acts.extend([unknown] + [answers(Outcome.UNKNOWN, "timeout")] * 2)
    order = shop.submit().order
    shop.work_until_quiet()
    assert shop.task(kind="settle").state == "failed"
    return order


def held(shop: Shop, systems: OneOfEach, in_place: bool) -> OrderView:
    """A cancelled order whose stock could not be given back, so that it is in staff's hands."""
    order = shop.submit().order
    shop.work_until_quiet()
    systems.stock.undos.extend([answers(Outcome.NOT_SENT, "refused", repeatable=False)])
    shop.cancel(order.id)
    shop.let_late_windows_pass()
    assert poll_until(lambda: not shop.work(), within_seconds=15)
    if not in_place:
        systems.stock.take_back(shop.effect(shop.steps(order.id)[0]))
    return order


@pytest.mark.parametrize(
    ("happened", "resolution", "settled"),
    [
        (True, Resolution.HAPPENED, "reconciliation: the system shows in place, as said"),
        (False, Resolution.HAPPENED, "reconciliation: the system shows nothing, not what was said"),
    ],
)
def test_a_word_on_a_settlement_is_proven_or_disproven(
    busy_shop: Shop, systems: OneOfEach, happened: bool, resolution: Resolution, settled: str
) -> None:
    marked(busy_shop, systems, happened)
    mark([busy_shop.task(kind="settle").id], resolution, COMMAND_LINE, "they said so", busy_shop.settings)
    if not happened:
        reconciled(busy_shop)
        assert ended_by() == UNPROVEN, "what was called for may still appear"
        let_resolutions_grow_old()
    busy_shop.age_orders(2 * HOUR)
    told = reconciled(busy_shop, HOUR).kinds
    assert told == ([] if happened else [("bank", "missing effect")]), "a disproof is a mismatch"
    assert ended_by() == [settled]


@pytest.mark.parametrize(
    ("in_place", "settled"),
    [
        (False, "reconciliation: the system shows nothing, as said"),
        (True, "reconciliation: the system shows in place, not what was said"),
    ],
)
def test_a_word_on_a_compensation_is_proven_or_disproven(
    busy_shop: Shop, systems: OneOfEach, in_place: bool, settled: str
) -> None:
    order = held(busy_shop, systems, in_place)
    [task] = busy_shop.tasks(kind="compensate", state="failed")
    mark([task.id], Resolution.NOT_HAPPENED, COMMAND_LINE, "they said so", busy_shop.settings, Risk.ENDS_ORDER)
    assert busy_shop.view(order.id).state is OrderState.CANCELLED
    assert reconciled(busy_shop).kinds == ([("stock", "orphan effect")] if in_place else [])
    assert ended_by() == [settled]
    if in_place:
        correct_mismatch(mismatch().id, COMMAND_LINE, "it is there after all", busy_shop.settings)
        busy_shop.work_until_quiet()
        assert (busy_shop.view(order.id).state, systems.stock.held) == (OrderState.CANCELLED, 0)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_compensation_that_was_given_up_stays_on_the_books_until_it_is_corrected(
    busy_shop: Shop, systems: OneOfEach, in_place: bool
) -> None:
    order = held(busy_shop, systems, in_place)
    [task] = busy_shop.tasks(kind="compensate", state="failed")
    task_actions.cancel([task.id], COMMAND_LINE, "not worth it")
    let_resolutions_grow_old()
    kind = "orphan effect" if in_place else "wrong state"
    for _ in range(2):
        assert reconciled(busy_shop).kinds == [("stock", kind)]
    assert (mismatch().ours, mismatch().correction, mismatch().seen) == ("compensation given up", "undo", 2)
    assert ended_by() == UNPROVEN
    correct_mismatch(mismatch().id, COMMAND_LINE, "take it up again", busy_shop.settings)
    busy_shop.let_late_windows_pass()
    busy_shop.work_until_quiet()
    assert (busy_shop.view(order.id).state, systems.stock.held) == (OrderState.CANCELLED, 0)
    assert reconciled(busy_shop).told == []
    assert ended_by() != UNPROVEN
    assert mismatch().state == "gone"


def test_a_settlement_that_was_given_up_is_settled_once_it_is_there(busy_shop: Shop, systems: OneOfEach) -> None:
    order = marked(busy_shop, systems, happened=False)
    task = busy_shop.task(kind="settle")
    task_actions.cancel([task.id], COMMAND_LINE, "they pay by hand")
    assert reconciled(busy_shop).kinds == [("bank", "missing effect")]
    assert ended_by() == UNPROVEN
    with reading() as session:
        key = session.scalars(select(Mismatch.key)).one()
    assert key == task.key
    systems.bank.in_place[key] = 1
    assert reconciled(busy_shop).told == []
    assert ended_by() == ["reconciliation: the system shows in place, as it should be"]
    assert busy_shop.view(order.id).state is OrderState.CONFIRMED
