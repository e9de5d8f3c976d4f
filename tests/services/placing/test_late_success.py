"""A holder that lost its lease and went on: what it brought about too late is recorded and compensated."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, PlacementState, StepState
from orderapp.errors import InProgress
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.recovery import recover
from orderapp.services.placing.place import Result
from tests.services.scripted import Scripted, answers, does_it_then
from tests.services.shop import Shop


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=1)


@pytest.fixture
def points() -> Scripted:
    return Scripted("points", position=2)


@pytest.fixture
def shop2(empty_shop: Shop, stock: Scripted, points: Scripted) -> Shop:
    return empty_shop.with_systems(stock, points)


def lose_the_lease(shop: Shop, *then: Callable[[], Any]) -> Callable[[Any], Answer]:
    """Return an act that stands still until the timer has taken the placement over; then it answers that it's done."""

    def act(_effect: Any) -> Answer:
        shop.let_submission_leases_lapse()
        assert recover(shop.settings).placements == 1
        for step in then:
            step()
        return Answer(Outcome.DONE)

    return act


def test_who_lost_the_lease_cannot_confirm_and_is_told_of_the_failure(
    shop2: Shop, stock: Scripted, points: Scripted
) -> None:
    points.acts.append(lose_the_lease(shop2))
    placed = shop2.submit()
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.COMPENSATING)
    assert {attempt.system for attempt in shop2.attempts()} == {"stock", "points"}
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held, points.held) == (OrderState.FAILED, 0, 0)


def test_who_lost_the_lease_cannot_abort_placement_either(shop2: Shop, stock: Scripted, points: Scripted) -> None:
    act = lose_the_lease(shop2)
    points.acts.append(lambda effect: answers(Outcome.REFUSED, "no", repeatable=False)(act(effect)))  # type: ignore[arg-type]
    placed = shop2.submit()
    assert placed.result is Result.UNAVAILABLE
    assert placed.stopped is not None
    assert placed.stopped.code == "interrupted"
    assert len(shop2.tasks(kind="compensate")) == 2
    shop2.work_until_quiet()
    assert (stock.held, points.held) == (0, 0)


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.REFUSED])
def test_who_lost_the_lease_decides_nothing_while_the_next_holder_is_at_work(
    shop2: Shop, stock: Scripted, points: Scripted, outcome: Outcome
) -> None:
    content, next_holder_calls, first_is_over = shop2.content(), threading.Event(), threading.Event()
    results: list[Future[Result]] = []
    with ThreadPoolExecutor(1) as pool:

        def go_on() -> Result:
            with shop2.app.app_context():
                return shop2.submit("key", content).result

        def act_of_the_next(effect: Any) -> Answer:
            next_holder_calls.set()
            assert first_is_over.wait(10)
            return points.do(effect)

        def act_of_the_first(effect: Any) -> Answer:
            shop2.let_submission_leases_lapse()
            points.acts.append(act_of_the_next)
            results.append(pool.submit(go_on))
            assert next_holder_calls.wait(10)
            return points.do(effect) if outcome is Outcome.DONE else Answer(outcome, "no", repeatable=False)

        points.acts.append(act_of_the_first)
        with pytest.raises(InProgress):
            shop2.submit("key", content)
        assert shop2.the_order().state is OrderState.PLACING
        first_is_over.set()
        assert results[0].result() is Result.CONFIRMED
    assert (stock.held, points.held) == (1, 1)


def test_an_effect_that_came_after_its_compensation_is_compensated_again(empty_shop: Shop, stock: Scripted) -> None:
    # Without tombstones: what comes after the undo stays, unless it is undone once more.
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, position=2)
    shop = empty_shop.with_systems(stock, voucher)

    def act(effect: Any) -> Answer:
        lose_the_lease(shop, shop.work_until_quiet)(effect)
        assert shop.the_order().state is OrderState.FAILED
        return voucher.do(effect)

    voucher.acts.append(act)
    placed = shop.submit()
    assert placed.order.state is OrderState.COMPENSATING
    assert shop.task(kind="compensate", system="voucher").state == "waiting"
    assert shop.task(kind="compensate", system="voucher").last_message == "an effect came late"
    shop.work_until_quiet()
    assert (shop.the_order().state, voucher.held, voucher.ever_done.total()) == (OrderState.FAILED, 0, 1)
    assert {step.state for step in shop.steps(placed.order.id)} == {StepState.COMPENSATED.value}


def test_a_late_unknown_gets_a_late_window_of_its_own(empty_shop: Shop, stock: Scripted) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60, position=2)
    shop = empty_shop.with_systems(stock, voucher)

    def act(effect: Any) -> Answer:
        lose_the_lease(shop, shop.let_late_windows_pass)(effect)
        return Answer(Outcome.UNKNOWN, "timeout")

    voucher.acts.append(act)
    shop.submit()
    shop.work()
    # It may still appear: nothing there proves nothing for another minute.
    task = shop.task(kind="compensate", system="voucher")
    assert (task.state, task.last_code) == ("waiting", "late_window")
    voucher.in_place[task.key] += 1
    shop.make_due()
    shop.work()
    assert voucher.held == 0
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert (shop.the_order().state, voucher.held) == (OrderState.FAILED, 0)


def test_while_another_holder_has_confirmed_a_late_success_of_the_same_key_changes_nothing(
    shop2: Shop, stock: Scripted, points: Scripted
) -> None:
    content = shop2.content()

    def act(effect: Any) -> Answer:
        shop2.let_submission_leases_lapse(1)
        assert shop2.submit("key", content).result is Result.CONFIRMED
        return points.do(effect)

    points.acts.append(act)
    assert shop2.submit("key", content).result is Result.CONFIRMED
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held, points.held) == (OrderState.CONFIRMED, 1, 1)


def test_who_wakes_up_after_another_holder_s_order_was_cancelled_does_not_call_it_confirmed(
    shop2: Shop, stock: Scripted, points: Scripted
) -> None:
    content = shop2.content()

    def act(_effect: Any) -> Answer:
        shop2.let_submission_leases_lapse(1)
        shop2.cancel(shop2.submit("key", content).order.id)
        return Answer(Outcome.DONE)

    points.acts.append(act)
    placed = shop2.submit("key", content)
    assert (placed.result, placed.order.state) == (Result.REPLAYED, OrderState.COMPENSATING)
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held, points.held) == (OrderState.CANCELLED, 0, 0)


def retried(shop: Shop) -> None:
    """Try the failed order again, successfully."""
    assert shop.retry(shop.the_order().id).result is Result.CONFIRMED


def test_a_late_success_of_an_earlier_placement_leaves_the_confirmed_retry_alone(
    empty_shop: Shop, stock: Scripted
) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, position=2)
    shop = empty_shop.with_systems(stock, voucher)

    def act(effect: Any) -> Answer:
        lose_the_lease(shop, shop.work_until_quiet, lambda: retried(shop))(effect)
        return voucher.do(effect)

    voucher.acts.append(act)
    placed = shop.submit()
    assert placed.order.state is OrderState.CONFIRMED
    assert voucher.held == 2
    shop.work_until_quiet()
    order = shop.the_order()
    assert (order.state, order.placements, stock.held, voucher.held) == (OrderState.CONFIRMED, 2, 1, 1)
    first, second = shop.placements(order.id)
    assert (first.state, second.state) == (PlacementState.COMPENSATED.value, PlacementState.CONFIRMED.value)


def test_staff_can_requeue_what_came_late_of_an_earlier_placement_although_the_order_is_confirmed(
    empty_shop: Shop, stock: Scripted
) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, position=2)
    shop = empty_shop.with_systems(stock, voucher)

    def act(effect: Any) -> Answer:
        lose_the_lease(shop, shop.work_until_quiet, lambda: retried(shop))(effect)
        voucher.undos.append(answers(Outcome.REFUSED, "no", repeatable=False))
        return voucher.do(effect)

    voucher.acts.append(act)
    assert shop.submit().order.state is OrderState.CONFIRMED
    shop.work_until_quiet_but_for_staff()
    task = shop.task(kind="compensate", state="failed")
    [result] = task_actions.requeue([task.id], COMMAND_LINE, "it can be undone now", shop.settings).items
    assert result.done, result.text
    shop.work_until_quiet()
    assert (shop.the_order().state, voucher.held, stock.held) == (OrderState.CONFIRMED, 1, 1)


@pytest.mark.parametrize("ends", [Outcome.DONE, Outcome.REFUSED])
def test_a_late_success_of_an_earlier_placement_leaves_the_retry_under_way_alone(
    empty_shop: Shop, ends: Outcome
) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(voucher)
    retrying, first_reported = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        outcome: list[Future[OrderState]] = []

        def retry() -> OrderState:
            with shop.app.app_context():
                return shop.retry(shop.the_order().id).order.state

        def act_of_the_retry(effect: Any) -> Answer:
            retrying.set()
            assert first_reported.wait(10)
            return voucher.do(effect) if ends is Outcome.DONE else Answer(ends, "used_up", repeatable=False)

        def act_of_the_first(effect: Any) -> Answer:
            lose_the_lease(shop, shop.work_until_quiet)(effect)
            voucher.acts.append(act_of_the_retry)
            outcome.append(pool.submit(retry))
            assert retrying.wait(10)
            return voucher.do(effect)

        voucher.acts.append(act_of_the_first)
        with pytest.raises(InProgress):
            shop.submit()
        first_reported.set()
        # Where the retry itself holds nothing, the earlier placement's effect still does.
        assert outcome[0].result() is (OrderState.CONFIRMED if ends is Outcome.DONE else OrderState.COMPENSATING)
    shop.work_until_quiet()
    ended = (shop.the_order().state, voucher.held)
    assert ended == ((OrderState.CONFIRMED, 1) if ends is Outcome.DONE else (OrderState.FAILED, 0))


def test_an_order_with_two_placements_to_undo_is_failed_only_when_both_are(empty_shop: Shop, stock: Scripted) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, position=2)
    shop = empty_shop.with_systems(stock, voucher)

    def act(effect: Any) -> Answer:
        lose_the_lease(shop, shop.work_until_quiet)(effect)
        voucher.acts.append(does_it_then(voucher))
        assert shop.retry(shop.the_order().id).order.state is OrderState.COMPENSATING
        return voucher.do(effect)

    voucher.acts.append(act)
    voucher.undos.append(answers(Outcome.NOT_SENT))
    shop.submit()
    order = shop.the_order()
    assert (order.state, voucher.held) == (OrderState.COMPENSATING, 2)
    for _ in range(10):
        shop.make_due()
        shop.work()
        held = stock.held + voucher.held
        assert (shop.the_order().state is OrderState.FAILED) <= (held == 0)
    assert shop.the_order().state is OrderState.FAILED
