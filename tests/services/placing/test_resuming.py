"""A placement whose holder died: the same key goes on with it, or the timer turns it round."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, StepState
from orderapp.errors import InProgress
from orderapp.services.engine.recovery import recover
from orderapp.services.placing.place import Result
from orderapp.systems.base import System
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_and_dies
from tests.services.shop import Shop


def let_die_after_its_first_act(system: System) -> None:
    """Let the process of the first call be gone after it has been made."""
    act, died = system.act, []

    def acts_and_dies(effect: Effect) -> Answer:
        answer = act(effect)
        if not died:
            died.append(True)
            raise Killed
        return answer

    system.act = acts_and_dies  # type: ignore[method-assign]


def dying(shop: Shop, content: dict[str, Any], key: str = "key") -> None:
    """Submit from a process that dies on the way."""
    with pytest.raises(Killed):
        shop.submit(key, content)


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=1)


@pytest.fixture
def voucher() -> Scripted:
    """Can only be asked; what was cut off may appear for ten seconds."""
    return Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=10, position=2)


@pytest.fixture
def shop2(empty_shop: Shop, stock: Scripted, voucher: Scripted) -> Shop:
    return empty_shop.with_systems(stock, voucher)


def test_while_the_lease_lasts_the_same_key_is_asked_to_wait(shop2: Shop, stock: Scripted) -> None:
    content = shop2.content()
    stock.acts.append(dies)
    dying(shop2, content)
    with pytest.raises(InProgress) as caught:
        shop2.submit("key", content)
    assert 1 <= caught.value.retry_after_seconds <= shop2.settings.submission_lease_seconds
    assert caught.value.order_id == shop2.the_order().id


def test_after_the_lease_the_same_key_goes_on_and_does_nothing_twice(
    shop2: Shop, stock: Scripted, voucher: Scripted
) -> None:
    content = shop2.content()
    stock.acts.append(does_it_and_dies(stock))
    dying(shop2, content)
    shop2.let_submission_leases_lapse(seconds_ago=11)
    placed = shop2.submit("key", content)
    assert placed.result is Result.CONFIRMED
    assert stock.verbs() == ["act", "act"]
    assert stock.ever_done.total() == voucher.ever_done.total() == 1
    # The dead holder may have come as far as the voucher, so it is asked before it is done.
    assert voucher.verbs() == ["ask", "act"]


def test_a_dead_holders_redemption_is_found_by_asking_and_not_repeated(shop2: Shop, voucher: Scripted) -> None:
    content = shop2.content()
    voucher.acts.append(does_it_and_dies(voucher))
    dying(shop2, content)
    shop2.let_submission_leases_lapse()
    assert shop2.submit("key", content).result is Result.CONFIRMED
    assert voucher.verbs() == ["act", "ask"]
    assert voucher.ever_done.total() == 1


def test_inside_the_late_window_not_there_proves_nothing_and_the_placement_is_turned_round(
    shop2: Shop, stock: Scripted, voucher: Scripted
) -> None:
    content = shop2.content()
    voucher.acts.append(dies)
    dying(shop2, content)
    shop2.let_submission_leases_lapse(seconds_ago=9)
    placed = shop2.submit("key", content)
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.COMPENSATING)
    assert {step.system: step.state for step in placed.order.steps} == {
        "stock": StepState.DONE,
        "voucher": StepState.UNKNOWN,
    }
    assert voucher.ever_done.total() == 0
    shop2.let_late_windows_pass()
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held, voucher.held) == (OrderState.FAILED, 0, 0)


def test_of_two_that_go_on_at_once_one_is_asked_to_wait(shop2: Shop, stock: Scripted, voucher: Scripted) -> None:
    content = shop2.content()
    stock.acts.append(dies)
    dying(shop2, content)
    shop2.let_submission_leases_lapse(seconds_ago=11)

    def go_on(_number: int) -> Any:
        with shop2.app.app_context():
            try:
                return shop2.submit("key", content).result
            except InProgress:
                return "wait"

    with ThreadPoolExecutor(2) as pool:
        came = set(pool.map(go_on, range(2)))
    assert Result.CONFIRMED in came
    assert came <= {Result.CONFIRMED, Result.REPLAYED, "wait"}
    assert stock.ever_done.total() == voucher.ever_done.total() == 1


def test_a_refusal_while_going_on_does_not_forget_what_the_dead_holder_may_have_done(
    shop2: Shop, stock: Scripted, voucher: Scripted
) -> None:
    content = shop2.content()
    voucher.acts.append(does_it_and_dies(voucher))
    dying(shop2, content)
    shop2.let_submission_leases_lapse(seconds_ago=11)
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    placed = shop2.submit("key", content)
    assert placed.result is Result.REFUSED
    assert [step.state for step in placed.order.steps] == [StepState.UNKNOWN, StepState.UNKNOWN]
    shop2.let_late_windows_pass()
    shop2.work_until_quiet()
    assert (stock.held, voucher.held) == (0, 0)


@pytest.mark.parametrize("come_as_far_as", ["nothing", "stock", "voucher"])
def test_the_timer_turns_round_what_nobody_holds(
    shop2: Shop, stock: Scripted, voucher: Scripted, come_as_far_as: str
) -> None:
    dies_at = {"nothing": (stock, dies), "stock": (voucher, dies), "voucher": (voucher, does_it_and_dies(voucher))}
    system, act = dies_at[come_as_far_as]
    system.acts.append(act)
    content = shop2.content()
    dying(shop2, content)
    assert recover(shop2.settings).placements == 0
    shop2.let_submission_leases_lapse()
    assert recover(shop2.settings).placements == 1
    assert recover(shop2.settings).placements == 0

    order = shop2.the_order()
    assert order.state is OrderState.COMPENSATING
    assert order.stopped is not None
    assert (order.stopped.system, order.stopped.outcome, order.stopped.code) == ("", Outcome.UNKNOWN, "interrupted")
    shop2.let_late_windows_pass()
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held, voucher.held) == (OrderState.FAILED, 0, 0)
    assert shop2.submit("key", content).result is Result.UNAVAILABLE
    assert shop2.order_count() == 1


def test_five_timers_turn_a_placement_round_once(shop2: Shop, stock: Scripted) -> None:
    stock.acts.append(does_it_and_dies(stock))
    dying(shop2, shop2.content())
    shop2.let_submission_leases_lapse()

    def recover_once(_number: int) -> int:
        with shop2.app.app_context():
            return recover(shop2.settings).placements

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(recover_once, range(5))) == 1
    assert len(shop2.tasks(kind="compensate")) == 2


def test_a_live_submission_is_left_alone_by_the_timer(shop2: Shop, stock: Scripted) -> None:
    recovered = []
    stock.before = lambda _verb, _effect: recovered.append(recover(shop2.settings).placements)
    assert shop2.submit().result is Result.CONFIRMED
    assert recovered == [0]


@pytest.mark.parametrize("late", [True, False])
def test_a_real_redemption_whose_process_died_is_never_doubled(shop: Shop, sandbox: RunningSandbox, late: bool) -> None:
    let_die_after_its_first_act(shop.settings.systems["coupon"])
    if late:
        sandbox.fault("coupon", "late_effect", scope="do", seconds=0.2)
    content = shop.content(coupon="WELCOME10")
    dying(shop, content)
    sandbox.clear_faults()
    if late:
        number = shop.the_order().number
        assert poll_until(lambda: "coupon" in sandbox.held(number), within_seconds=5)
    shop.let_submission_leases_lapse(seconds_ago=11)
    placed = shop.submit("key", content)
    assert placed.result is Result.CONFIRMED
    shop.work_until_quiet()
    assert sandbox.held(placed.order.number) == {"inventory": 1, "coupon": 1, "settlement": 1}


def test_a_process_of_an_older_release_leaves_a_placement_with_a_system_that_it_does_not_know(empty_shop: Shop) -> None:
    stock = Scripted("stock", position=1)
    newer, older = empty_shop.with_systems(stock, Scripted("points", position=2)), empty_shop.with_systems(stock)
    content = newer.content()
    stock.acts.append(dies)
    with pytest.raises(Killed):
        newer.submit("key", content)
    newer.let_submission_leases_lapse()
    with pytest.raises(InProgress):
        older.submit("key", content)
    # Nothing was taken from those that do know it.
    assert newer.submit("key", content).result is Result.CONFIRMED
