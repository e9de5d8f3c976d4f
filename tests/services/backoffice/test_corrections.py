"""What isn't as our rows say is found and put right by one act of staff, against the sandbox's real ledger."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.models import Mismatch
from orderapp.services.backoffice.corrections import order_corrections
from orderapp.services.backoffice.risks import Risk, risk_of_correcting
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.orders.views import OrderView
from orderapp.services.reconciliation.compare import Correction
from orderapp.systems.base import Part
from tests.sandbox.calls import SETTLEMENT, redeem, redemptions
from tests.sandbox.running import RunningSandbox
from tests.services.listening import reconciled
from tests.services.scripted import Scripted
from tests.services.shop import Shop
from tests.services.tampering import (
    COUPON,
    EVERYTHING,
    assert_gone,
    cancel_by_hand,
    correct,
    in_place,
    key,
    let_it_happen,
    mismatches,
)


def test_an_effect_that_was_undone_there_is_missing_and_its_order_can_only_be_cancelled(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    cancel_by_hand(sandbox, confirmed)
    assert reconciled(shop).kinds == [("inventory", "missing effect")]
    [mismatch] = mismatches()
    assert (mismatch.key, mismatch.correction, mismatch.state, mismatch.seen) == (
        key(confirmed, "inventory"),
        "cancel",
        "open",
        1,
    )
    assert (mismatch.ours, mismatch.theirs) == ("step done", "undone")
    correct(shop, mismatch)
    let_it_happen(shop)
    assert shop.view(confirmed.id).state is OrderState.CANCELLED
    assert sandbox.held(confirmed.number) == {}
    assert_gone(shop, mismatch)


@pytest.mark.parametrize(
    ("ordered", "guarantee", "risk"),
    [
        (Correction.DO, Guarantee.UNSAFE, Risk.TWICE),
        (Correction.DO, Guarantee.IDEMPOTENT, None),
        (Correction.UNDO, Guarantee.UNSAFE, None),
        (Correction.CANCEL, Guarantee.IDEMPOTENT, Risk.ENDS_ORDER),
    ],
)
def test_only_what_nobody_can_take_back_is_a_risk(ordered: Correction, guarantee: Guarantee, risk: Risk | None) -> None:
    objection = risk_of_correcting(Mismatch(correction=ordered.value), Scripted("system", Part.NOTIFY, guarantee))
    assert (objection.risk if objection else None) is risk


@pytest.mark.parametrize("system", ["inventory", "coupon", "settlement"])
def test_an_effect_that_the_system_knows_nothing_of_is_done_again_under_its_key(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None], system: str
) -> None:
    forget(system, key(confirmed, system))
    assert reconciled(shop).kinds == [(system, "missing effect")]
    [mismatch] = mismatches()
    assert (mismatch.correction, mismatch.theirs) == ("do", "absent")
    correct(shop, mismatch)
    ordered = shop.task(kind="settle", system=system, state="waiting")
    # As many attempts as any task of the system has.
    assert ordered.attempt_limit - ordered.attempts == shop.settings.systems[system].backoff.attempts
    assert ordered.attempts == (1 if system == "settlement" else 0), "what its settle task has used up is history"
    let_it_happen(shop)
    assert shop.view(confirmed.id).state is OrderState.CONFIRMED
    assert in_place(sandbox, confirmed) == EVERYTHING
    assert_gone(shop, mismatch)

    shop.cancel(confirmed.id)
    let_it_happen(shop)

    assert shop.view(confirmed.id).state is OrderState.CANCELLED
    assert in_place(sandbox, confirmed) == dict.fromkeys(EVERYTHING, 0)
    assert len(shop.tasks(confirmed.id, kind="compensate", system=system, state="done")) == 1
    assert reconciled(shop).told == []


def test_a_redemption_that_came_back_before_the_correction_is_not_done_once_more(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("coupon", key(confirmed, "coupon"))
    reconciled(shop)
    redeem(sandbox, key(confirmed, "coupon"), COUPON).raise_for_status()
    correct(shop, mismatches()[0])
    let_it_happen(shop)
    assert in_place(sandbox, confirmed) == EVERYTHING


def test_an_order_that_is_cancelled_while_its_correction_waits_holds_nothing(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("inventory", key(confirmed, "inventory"))
    reconciled(shop)
    correct(shop, mismatches()[0])
    shop.cancel(confirmed.id)
    let_it_happen(shop)
    assert shop.view(confirmed.id).state is OrderState.CANCELLED
    assert in_place(sandbox, confirmed) == dict.fromkeys(EVERYTHING, 0)


def test_an_effect_of_a_failed_order_is_an_orphan_and_is_undone(
    shop: Shop, sandbox: RunningSandbox, failed: OrderView
) -> None:
    for _ in range(2):
        redeem(sandbox, key(failed, "coupon"), COUPON).raise_for_status()
    assert reconciled(shop).kinds == [("coupon", "orphan effect")]
    [mismatch] = mismatches()
    assert (mismatch.correction, mismatch.theirs) == ("undo", "in place, 2 times")
    correct(shop, mismatch)
    assert shop.view(failed.id).state is OrderState.COMPENSATING
    let_it_happen(shop)
    assert shop.view(failed.id).state is OrderState.FAILED
    assert [one["state"] for one in redemptions(sandbox, key(failed, "coupon"))] == ["voided", "voided"]
    assert_gone(shop, mismatch)


def test_an_effect_of_an_earlier_placement_is_undone_and_the_later_one_stays(
    shop: Shop, sandbox: RunningSandbox, failed: OrderView
) -> None:
    redeem(sandbox, key(failed, "coupon"), COUPON).raise_for_status()
    shop.retry(failed.id)
    shop.work_until_quiet()
    assert reconciled(shop).kinds == [("coupon", "orphan effect")]
    [mismatch] = mismatches()
    correct(shop, mismatch)
    let_it_happen(shop)
    assert shop.view(failed.id).state is OrderState.CONFIRMED
    assert [one["state"] for one in redemptions(sandbox, key(failed, "coupon"))] == ["voided"]
    assert [one["state"] for one in redemptions(sandbox, key(failed, "coupon", 2))] == ["redeemed"]
    assert_gone(shop, mismatch)


def test_a_settlement_that_somebody_made_by_hand_is_an_orphan_and_is_reversed(
    shop: Shop, sandbox: RunningSandbox
) -> None:
    order = shop.submit().order
    shop.cancel(order.id)
    shop.work_until_quiet()
    amount = {"value": 1580, "currency": "EUR"}
    body = {"order_ref": order.number, "customer_ref": "C-1", "amount": amount}
    SETTLEMENT.post(sandbox, key(order, "settlement"), body).raise_for_status()
    assert reconciled(shop).kinds == [("settlement", "orphan effect")]
    [mismatch] = mismatches()
    correct(shop, mismatch)
    let_it_happen(shop)
    assert shop.view(order.id).state is OrderState.CANCELLED
    assert sandbox.held(order.number) == {}
    assert_gone(shop, mismatch)


def test_of_what_is_there_twice_one_stays(shop: Shop, sandbox: RunningSandbox, confirmed: OrderView) -> None:
    redeem(sandbox, key(confirmed, "coupon"), COUPON).raise_for_status()
    assert reconciled(shop).kinds == [("coupon", "wrong state")]
    [mismatch] = mismatches()
    assert (mismatch.correction, mismatch.theirs) == ("undo_surplus", "in place, 2 times")
    correct(shop, mismatch)
    let_it_happen(shop)
    states = [one["state"] for one in redemptions(sandbox, key(confirmed, "coupon"))]
    assert sorted(states) == ["redeemed", "voided"]
    assert shop.view(confirmed.id).state is OrderState.CONFIRMED
    assert_gone(shop, mismatch)

    shop.cancel(confirmed.id)
    let_it_happen(shop)
    assert in_place(sandbox, confirmed) == dict.fromkeys(EVERYTHING, 0)


def test_two_differences_of_one_order_are_put_right_at_once(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    for system in ("inventory", "coupon"):
        forget(system, key(confirmed, system))
    reconciled(shop)
    found = mismatches()
    assert len(found) == 2
    done = order_corrections([mismatch.id for mismatch in found], COMMAND_LINE, "both", shop.settings)
    assert [item.done for item in done.items] == [True, True]
    let_it_happen(shop)
    assert in_place(sandbox, confirmed) == EVERYTHING
    for mismatch in found:
        assert_gone(shop, mismatch)


def test_two_orphans_of_one_order_are_undone_at_once(shop: Shop, sandbox: RunningSandbox, failed: OrderView) -> None:
    redeem(sandbox, key(failed, "coupon"), COUPON).raise_for_status()
    shop.retry(failed.id)
    shop.cancel(failed.id)
    let_it_happen(shop)
    redeem(sandbox, key(failed, "coupon", 2), COUPON).raise_for_status()
    reconciled(shop)
    found = mismatches()
    assert [mismatch.correction for mismatch in found] == ["undo", "undo"]
    for mismatch in found:
        [item] = order_corrections([mismatch.id], COMMAND_LINE, "one after the other", shop.settings).items
        assert item.done, item.text
    let_it_happen(shop)
    assert shop.view(failed.id).state is OrderState.CANCELLED
    assert sandbox.held(failed.number) == {}
