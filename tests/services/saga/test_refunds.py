"""When a customer is told that what was paid is returned: only if it was taken, and was returned."""

from __future__ import annotations

import pytest

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import News, OrderState
from orderapp.models import Resolution
from orderapp.services.backoffice.manual_resolutions import mark
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Part
from tests.services.scripted import Scripted, answers, does_it_then
from tests.services.shop import Shop

UNKNOWN = answers(Outcome.UNKNOWN, "timeout")


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE)


@pytest.fixture
def asked_bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60)


def shop_with(empty_shop: Shop, bank: Scripted) -> Shop:
    letters = Scripted("letters", Part.NOTIFY)
    vars(letters)["tells"] = tuple(News)
    return empty_shop.with_systems(Scripted("stock"), bank, letters)


def told(shop: Shop) -> list[str]:
    """Return what customers are told of an order that has ended as cancelled."""
    assert shop.the_order().state is OrderState.CANCELLED
    return [task.news for task in shop.tasks(kind="notify", state="done") if task.news != News.CONFIRMED]


def test_what_was_taken_and_given_back_is_told(empty_shop: Shop, bank: Scripted) -> None:
    shop = shop_with(empty_shop, bank)
    order = shop.submit().order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert told(shop) == ["cancelled", "refunded"]


def test_nothing_is_told_as_returned_where_staff_say_that_nothing_was_there(empty_shop: Shop, bank: Scripted) -> None:
    shop = shop_with(empty_shop, bank)
    order = shop.submit().order
    shop.work_until_quiet()
    bank.undos.extend([answers(Outcome.NOT_SENT)] * 3)
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    undoing = shop.task(kind="compensate", system="bank")
    assert undoing.state == "failed"
    (item,) = mark([undoing.id], Resolution.NOT_HAPPENED, COMMAND_LINE, "no such payment", shop.settings).items
    if item.risk:
        mark([undoing.id], Resolution.NOT_HAPPENED, COMMAND_LINE, "no such payment", shop.settings, item.risk)
    shop.work_until_quiet_but_for_staff()
    assert told(shop) == ["cancelled"]


def test_nothing_is_told_as_returned_where_the_system_has_undone_it_already(
    empty_shop: Shop, asked_bank: Scripted
) -> None:
    shop = shop_with(empty_shop, asked_bank)
    order = shop.submit().order
    shop.work_until_quiet()
    asked_bank.findings.append(Finding.UNDONE)
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert told(shop) == ["cancelled"]
    assert "undo" not in asked_bank.verbs()


def test_what_was_found_taken_after_the_order_was_cancelled_is_told(empty_shop: Shop, asked_bank: Scripted) -> None:
    shop = shop_with(empty_shop, asked_bank)
    asked_bank.acts.append(does_it_then(asked_bank))
    order = shop.submit().order
    run_task(shop.task(kind="settle").id, shop.settings)
    shop.cancel(order.id)
    assert shop.task(kind="settle").state == "cancelled"
    shop.work_until_quiet_but_for_staff()
    assert (told(shop), asked_bank.held) == (["cancelled", "refunded"], 0)


def test_what_was_being_taken_when_the_order_was_cancelled_is_told(empty_shop: Shop, bank: Scripted) -> None:
    shop = shop_with(empty_shop, bank)
    order = shop.submit().order

    def is_cancelled_meanwhile(effect: Effect) -> Answer:
        shop.cancel(order.id)
        return bank.do(effect)

    bank.acts.append(is_cancelled_meanwhile)
    run_task(shop.task(kind="settle").id, shop.settings)
    shop.work_until_quiet_but_for_staff()
    assert (told(shop), bank.held) == (["cancelled", "refunded"], 0)


@pytest.mark.parametrize("answer", [UNKNOWN, answers(Outcome.DONE, pending=True)])
def test_what_may_never_have_been_taken_is_not_told(empty_shop: Shop, bank: Scripted, answer: object) -> None:
    shop = shop_with(empty_shop, bank)
    bank.acts.append(answer)  # type: ignore[arg-type]
    order = shop.submit().order
    run_task(shop.task(kind="settle").id, shop.settings)
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert "undo" in bank.verbs()
    assert told(shop) == ["cancelled"]
