"""A mismatch is kept: counted up, gone once it is put right, and corrected only while its order is as it was found."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import update

from orderapp.errors import InvalidRequest, WrongState
from orderapp.models import Mismatch
from orderapp.services.backoffice.corrections import order_corrections
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.orders.views import OrderView
from tests.sandbox.calls import redeem, redemptions, void
from tests.sandbox.running import RunningSandbox
from tests.services.listening import reconciled
from tests.services.shop import Shop
from tests.services.tampering import (
    COUPON,
    EVERYTHING,
    acts,
    assert_gone,
    cancel_by_hand,
    correct,
    correct_mismatch,
    in_place,
    key,
    mismatches,
)


def test_a_mismatch_that_is_seen_again_is_counted_up_and_one_put_right_by_hand_is_gone(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    redeem(sandbox, key(confirmed, "coupon"), COUPON).raise_for_status()
    for seen in (1, 2):
        reconciled(shop)
        assert [(one.seen, one.state) for one in mismatches()] == [(seen, "open")]
    void(sandbox, redemptions(sandbox, key(confirmed, "coupon"))[1]["id"]).raise_for_status()
    assert_gone(shop, mismatches()[0])
    redeem(sandbox, key(confirmed, "coupon"), COUPON).raise_for_status()
    reconciled(shop)
    assert [(one.seen, one.state) for one in mismatches()] == [(2, "gone"), (1, "open")]


def test_more_differences_than_one_connection_plans_anew_are_all_kept_however_often_they_are_seen(
    shop: Shop, forget: Callable[[str, str], None]
) -> None:
    orders = [shop.submit().order for _ in range(8)]
    shop.work_until_quiet()
    for order in orders:
        forget("inventory", key(order, "inventory"))
    for seen in range(1, 4):
        assert len(reconciled(shop).told) == 8
        assert [(one.seen, one.state) for one in mismatches()] == 8 * [(seen, "open")]


def test_an_order_with_an_open_mismatch_is_looked_at_however_old_it_is(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    cancel_by_hand(sandbox, confirmed)
    reconciled(shop)
    shop.age_orders(7200)
    assert reconciled(shop, 3600).kinds == [("inventory", "missing effect")]
    assert mismatches()[0].seen == 2


def test_a_correction_that_did_not_help_can_be_ordered_again(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("settlement", key(confirmed, "settlement"))
    reconciled(shop)
    correct(shop, mismatches()[0])
    shop.work_until_quiet()
    forget("settlement", key(confirmed, "settlement"))
    reconciled(shop)
    [mismatch] = mismatches()
    assert (mismatch.state, mismatch.seen) == ("open", 2)
    correct_mismatch(mismatch.id, COMMAND_LINE, "again", shop.settings)
    shop.work_until_quiet()
    assert in_place(sandbox, confirmed) == EVERYTHING


def test_a_mismatch_of_an_order_that_has_gone_on_is_not_corrected(
    shop: Shop, sandbox: RunningSandbox, failed: OrderView
) -> None:
    redeem(sandbox, key(failed, "coupon"), COUPON).raise_for_status()
    reconciled(shop)
    [mismatch] = mismatches()
    shop.retry(failed.id)
    with pytest.raises(WrongState, match="its order has gone on"):
        correct_mismatch(mismatch.id, COMMAND_LINE, "too late", shop.settings)
    assert mismatches()[0].state == "open"
    assert acts() == []
    shop.work_until_quiet()


def test_a_selection_is_corrected_one_by_one(
    shop: Shop, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    other = shop.submit().order
    shop.work_until_quiet()
    for order in (confirmed, other):
        forget("inventory", key(order, "inventory"))
    reconciled(shop)
    first, second = mismatches()
    correct_mismatch(first.id, COMMAND_LINE, "this one", shop.settings)
    selection = order_corrections([second.id, first.id, 999], COMMAND_LINE, "the rest", shop.settings)
    assert [(item.id, item.done) for item in selection.items] == [(first.id, False), (second.id, True), (999, False)]
    assert acts() == ["mismatch.correct", "mismatch.correct", "mismatches.correct"]


def test_what_makes_no_sense_is_refused(shop: Shop) -> None:
    with pytest.raises(WrongState, match="There is no mismatch 1"):
        correct_mismatch(1, COMMAND_LINE, "why not", shop.settings)
    for ids, reason in (([1], " "), ([], "why"), (range(1, 502), "why"), ([0], "why"), ([2**63], "why")):
        with pytest.raises(InvalidRequest):
            order_corrections(ids, COMMAND_LINE, reason, shop.settings)


def test_two_who_order_the_same_correction_at_once_correction_once(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("inventory", key(confirmed, "inventory"))
    reconciled(shop)
    [mismatch] = mismatches()
    barrier = threading.Barrier(2)
    results: list[bool] = []

    def press() -> None:
        with shop.app.app_context():
            barrier.wait()
            [item] = order_corrections([mismatch.id], COMMAND_LINE, "both at once", shop.settings).items
            results.append(item.done)

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [False, True]
    assert len(shop.tasks(confirmed.id, kind="settle", system="inventory")) == 1
    assert acts() == ["mismatch.correct"]
    shop.work_until_quiet()
    assert in_place(sandbox, confirmed) == EVERYTHING


def test_a_mismatch_under_a_key_that_was_given_up_for_another_is_gone(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    forget("settlement", key(confirmed, "settlement"))
    reconciled(shop)
    with writing() as session:
        session.execute(update(Mismatch).values(key="a key that was barred"))
    reconciled(shop)
    assert [(one.key, one.state) for one in mismatches()] == [
        ("a key that was barred", "gone"),
        (key(confirmed, "settlement"), "open"),
    ]


def test_customers_see_nothing_of_a_correction(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView, forget: Callable[[str, str], None]
) -> None:
    before = shop.view(confirmed.id).tasks
    forget("inventory", key(confirmed, "inventory"))
    reconciled(shop)
    correct(shop, mismatches()[0])
    assert shop.view(confirmed.id).tasks == before
