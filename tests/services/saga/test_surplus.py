"""What two holders called for twice, where each call counts: the order keeps one effect, the rest is taken back."""

from __future__ import annotations

import pytest

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted
from tests.services.shop import Shop


@pytest.fixture
def voucher() -> Scripted:
    return Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60)


@pytest.fixture
def shop1(empty_shop: Shop, voucher: Scripted) -> Shop:
    return empty_shop.with_systems(voucher)


def redeems_after_the_next_holder(shop: Shop, voucher: Scripted, dies_then: bool = False) -> None:
    """Let the first holder stand still before its call until the next one has asked, found nothing, and confirmed."""
    content = shop.content()

    def act(effect: Effect) -> Answer:
        shop.let_submission_leases_lapse(seconds_ago=61)
        assert shop.submit("key", content).result is Result.CONFIRMED
        assert voucher.held == 1
        voucher.do(effect)
        if dies_then:
            raise Killed
        return Answer(Outcome.DONE)

    voucher.acts.append(act)
    if dies_then:
        with pytest.raises(Killed):
            shop.submit("key", content)
    else:
        assert shop.submit("key", content).order.state is OrderState.CONFIRMED
    assert voucher.held == 2


def test_a_zombie_that_redeems_once_more_after_the_next_holder_has_confirmed(shop1: Shop, voucher: Scripted) -> None:
    redeems_after_the_next_holder(shop1, voucher)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.CONFIRMED, 1)
    assert [step.state for step in shop1.steps(shop1.the_order().id)] == ["done"]
    assert shop1.the_order().tasks == (), "it is no task of the customer's order"


def test_a_zombie_that_redeems_once_more_and_dies(shop1: Shop, voucher: Scripted) -> None:
    redeems_after_the_next_holder(shop1, voucher, dies_then=True)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.CONFIRMED, 1)


def test_what_is_there_once_stays(shop1: Shop, voucher: Scripted) -> None:
    content = shop1.content()

    def dies_before(_effect: Effect) -> Answer:
        raise Killed

    voucher.acts.append(dies_before)
    with pytest.raises(Killed):
        shop1.submit("key", content)
    shop1.let_submission_leases_lapse(seconds_ago=61)
    assert shop1.submit("key", content).result is Result.CONFIRMED
    task = shop1.task(kind="compensate")
    assert 55 < (shop1.seconds_until_due(task.id) or 0) < 65, "before the late window there is nothing to learn"
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.task(kind="compensate").state, voucher.held, voucher.verbs().count("undo")) == ("done", 1, 0)


def test_an_order_that_is_cancelled_keeps_nothing_whether_its_surplus_was_looked_for_or_not(
    shop1: Shop, voucher: Scripted
) -> None:
    redeems_after_the_next_holder(shop1, voucher)
    order = shop1.the_order()
    shop1.cancel(order.id)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.CANCELLED, 0)
    assert [(task.keep, task.state) for task in shop1.tasks(kind="compensate")] == [(0, "done")]


def test_an_order_cancelled_after_its_surplus_was_taken_back_keeps_nothing(shop1: Shop, voucher: Scripted) -> None:
    redeems_after_the_next_holder(shop1, voucher)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    shop1.cancel(shop1.the_order().id)
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.CANCELLED, 0)


def test_an_order_cancelled_while_its_surplus_is_being_taken_back_keeps_nothing(shop1: Shop, voucher: Scripted) -> None:
    redeems_after_the_next_holder(shop1, voucher)
    shop1.let_late_windows_pass()
    once: list[str] = []

    def cancels(verb: str, _effect: Effect) -> None:
        if verb == "undo" and not once:
            once.append(verb)
            shop1.cancel(shop1.the_order().id)

    voucher.before = cancels
    assert run_task(shop1.task(kind="compensate").id, shop1.settings) is None, "the task was taken away"
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.CANCELLED, 0)


def test_a_failed_order_is_looked_at_again_after_the_late_window_where_two_may_have_called(
    shop1: Shop, voucher: Scripted
) -> None:
    content = shop1.content()

    def dies_after(effect: Effect) -> Answer:
        voucher.do(effect)
        raise Killed

    voucher.acts.append(dies_after)
    with pytest.raises(Killed):
        shop1.submit("key", content)
    shop1.let_submission_leases_lapse()
    shop1.work()
    task = shop1.task(kind="compensate")
    assert (task.state, task.last_code, voucher.held) == ("waiting", "late_window", 0)
    voucher.in_place[task.key] += 1  # what a second holder called for appears late
    shop1.let_late_windows_pass()
    shop1.work_until_quiet()
    assert (shop1.the_order().state, voucher.held) == (OrderState.FAILED, 0)


def test_a_settlement_that_two_workers_called_for(empty_shop: Shop) -> None:
    bank = Scripted("bank", Part.SETTLE, Guarantee.QUERY_FIRST, late_window_seconds=60, attempts=20)
    shop = empty_shop.with_systems(bank)
    order = shop.submit().order

    def act(effect: Effect) -> Answer:
        shop.let_task_leases_lapse()
        shop.work()  # the timer takes the task back, and the next worker asks, finds nothing, and settles
        shop.let_late_windows_pass()
        shop.work_until_quiet()
        assert bank.held == 1
        return bank.do(effect)

    bank.acts.append(act)
    run_task(shop.task(kind="settle").id, shop.settings)
    assert bank.held == 2
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert (shop.view(order.id).state, bank.held) == (OrderState.CONFIRMED, 1)
