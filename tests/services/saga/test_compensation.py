"""Giving back: by the rows, once per effect, also before its action and after a late one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Finding, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, StepState, TaskKind
from orderapp.models import Task
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until
from tests.services.scripted import Killed, OneOfEach, Scripted, answers, does_it_and_dies, does_it_then
from tests.services.shop import Shop


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=1)


@pytest.fixture
def voucher() -> Scripted:
    return Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60, position=2)


@pytest.fixture
def shop2(empty_shop: Shop, stock: Scripted, voucher: Scripted) -> Shop:
    """A shop whose next order fails with the voucher's outcome unknown."""
    voucher.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    return empty_shop.with_systems(stock, voucher)


def test_there_is_one_task_for_each_step_that_happened_or_may_have(shop2: Shop) -> None:
    order = shop2.submit().order
    tasks = shop2.tasks(order.id)
    assert {(task.kind, task.system, task.key) for task in tasks} == {
        ("compensate", step.system, step.key) for step in shop2.steps(order.id)
    }


def test_a_second_compensation_of_the_same_effect_cannot_be_written(shop2: Shop) -> None:
    shop2.submit()
    task = shop2.task(kind="compensate", system="stock")
    same = {
        name: getattr(task, name)
        for name in ("order_id", "placement_id", "kind", "system", "key", "state", "due_at", "created_at")
    }
    with pytest.raises(IntegrityError), writing() as session:
        session.execute(insert(Task).values(**same, attempt_limit=3))


def test_absent_inside_the_late_window_is_waited_for_without_using_up_attempts(shop2: Shop, voucher: Scripted) -> None:
    shop2.submit()
    for _ in range(5):
        shop2.make_due()
        shop2.work()
    task = shop2.task(kind="compensate", system="voucher")
    assert (task.state, task.attempts, task.last_code) == ("waiting", 0, "late_window")
    assert [attempt.number for attempt in shop2.attempts(task_id=task.id)] == [1, 2, 3, 4, 5]
    assert shop2.the_order().state is OrderState.COMPENSATING

    shop2.let_late_windows_pass()
    shop2.work_until_quiet()
    assert shop2.the_order().state is OrderState.FAILED
    assert "undo" not in voucher.verbs()


def test_an_effect_that_appears_inside_the_late_window_is_undone(shop2: Shop, voucher: Scripted) -> None:
    shop2.submit()
    shop2.work()
    task = shop2.task(kind="compensate", system="voucher")
    voucher.in_place[task.key] += 1
    shop2.make_due()
    shop2.work_until_quiet()
    assert (voucher.held, shop2.the_order().state) == (0, OrderState.FAILED)
    assert shop2.task(kind="compensate", system="voucher").attempts == 1


def test_every_effect_under_the_reference_is_undone_if_there_are_several(shop2: Shop, voucher: Scripted) -> None:
    shop2.submit()
    voucher.in_place[shop2.task(kind="compensate", system="voucher").key] += 2
    shop2.work_until_quiet()
    assert voucher.held == 0


def test_a_compensation_that_comes_before_its_action_bars_it(empty_shop: Shop, stock: Scripted) -> None:
    shop = empty_shop.with_systems(stock)
    stock.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    order = shop.submit().order
    shop.work_until_quiet()
    assert shop.the_order().state is OrderState.FAILED
    # The request that was cut off arrives only now.
    [step] = shop.steps(order.id)
    answer = stock.do(shop.effect(step))
    assert (answer.outcome, stock.held) == (Outcome.REFUSED, 0)


def test_undoing_twice_is_undoing_once(empty_shop: Shop, stock: Scripted) -> None:
    points = Scripted("points", position=2)
    shop = empty_shop.with_systems(stock, points)
    points.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))

    def undo_and_die(effect: Effect) -> Answer:
        stock.take_back(effect)
        raise Killed

    stock.undos.append(undo_and_die)
    shop.submit()
    task = shop.task(kind="compensate")
    with pytest.raises(Killed):
        run_task(task.id, shop.settings)
    shop.let_task_leases_lapse()
    recover(shop.settings)
    shop.work_until_quiet()
    assert stock.verbs(task.key) == ["act", "undo", "undo"]
    assert (shop.the_order().state, stock.held) == (OrderState.FAILED, 0)
    verbs = [(one.number, one.verb, one.outcome) for one in shop.attempts(task_id=task.id)]
    assert verbs == [(1, "undo", "unknown"), (2, "undo", "done")]


def test_undos_do_not_wait_for_each_other(shop2: Shop, stock: Scripted, voucher: Scripted) -> None:
    stock.undos.extend([answers(Outcome.UNKNOWN, "http_500")] * 2)
    shop2.submit()
    shop2.let_late_windows_pass()
    shop2.work()
    assert shop2.task(kind="compensate", system="voucher").state == "done"
    assert shop2.the_order().state is OrderState.COMPENSATING
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held) == (OrderState.FAILED, 0)


def test_a_compensation_that_fails_for_good_is_in_staffs_hands_and_the_order_stays_open(
    shop2: Shop, stock: Scripted
) -> None:
    stock.undos.extend([answers(Outcome.NOT_SENT, "http_429")] * 3)
    order = shop2.submit().order
    for _ in range(5):
        shop2.let_late_windows_pass()
        shop2.work()
    task = shop2.task(kind="compensate", system="stock")
    assert (task.state, task.attempts) == ("failed", 3)
    assert shop2.the_order().state is OrderState.COMPENSATING

    # Giving up closes the task, never the debt.
    task_actions.cancel([task.id], COMMAND_LINE, "the warehouse burnt down")
    assert shop2.the_order().state is OrderState.COMPENSATING
    assert StepState.DONE.value in {step.state for step in shop2.steps(order.id)}

    task_actions.requeue([task.id], COMMAND_LINE, "it was another warehouse", shop2.settings)
    shop2.work_until_quiet()
    assert (shop2.the_order().state, stock.held) == (OrderState.FAILED, 0)


def test_a_settlement_whose_compensation_was_given_up_keeps_its_order_open(busy_shop: Shop, systems: OneOfEach) -> None:
    # It has no step whose state would tell of it: the task's is all there is.
    order = busy_shop.submit().order
    busy_shop.work_until_quiet()
    busy_shop.cancel(order.id)
    task = busy_shop.task(kind="compensate", system="bank")
    task_actions.cancel([task.id], COMMAND_LINE, "they have closed the account")
    busy_shop.let_late_windows_pass()
    busy_shop.work_until_quiet_but_for_staff()
    assert (busy_shop.the_order().state, systems.held) == (OrderState.COMPENSATING, [0, 0, 1])

    task_actions.requeue([task.id], COMMAND_LINE, "they have another one", busy_shop.settings)
    busy_shop.work_until_quiet()
    assert (busy_shop.the_order().state, systems.held) == (OrderState.CANCELLED, [0, 0, 0])


def test_two_workers_at_once_close_an_order_once(empty_shop: Shop) -> None:
    systems = [Scripted(f"system{letter}", position=place) for place, letter in enumerate("abcdefgh")]
    shop = empty_shop.with_systems(*systems)
    systems[-1].acts.append(does_it_then(systems[-1]))
    shop.submit()

    def work(task: Task) -> object:
        with shop.app.app_context():
            return run_task(task.id, shop.settings)

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(work, shop.tasks(kind="compensate")))
    assert states == ["done"] * 8
    assert shop.the_order().state is OrderState.FAILED
    assert sum(system.held for system in systems) == 0


def test_what_was_not_come_to_is_owed_nothing(empty_shop: Shop, stock: Scripted) -> None:
    never = Scripted("never", position=9)
    shop = empty_shop.with_systems(stock, never)
    stock.acts.append(does_it_then(stock))
    order = shop.submit().order
    assert [task.system for task in shop.tasks(kind=TaskKind.COMPENSATE.value)] == ["stock"]
    shop.work_until_quiet()
    assert never.calls == []
    assert [step.state for step in shop.steps(order.id)] == [StepState.COMPENSATED.value, StepState.PLANNED.value]


@pytest.mark.parametrize("system", ["inventory", "coupon", "membership"])
def test_a_real_effect_that_comes_late_is_gone_in_the_end(shop: Shop, sandbox: RunningSandbox, system: str) -> None:
    sandbox.fault(system, "late_effect", scope="do", seconds=0.3)
    order = shop.submit(coupon="WELCOME10", benefit="VIP5").order
    sandbox.clear_faults()
    shop.work_until_quiet()
    assert poll_until(lambda: sandbox.ledger()["waiting"] == 0, within_seconds=5)
    assert (shop.view(order.id).state, sandbox.held(order.number)) == (OrderState.FAILED, {})


@pytest.mark.parametrize("outage", ["error_after", "error_before", "cut_after", "rate_limited", "garbage"])
def test_real_compensations_that_fail_are_repeated_until_they_are_done(
    shop: Shop, sandbox: RunningSandbox, outage: str
) -> None:
    order = shop.submit(coupon="WELCOME10", benefit="VIP5").order
    shop.work_until_quiet()
    shop.cancel(order.id)
    for system in ("inventory", "coupon", "membership", "settlement"):
        sandbox.fault(system, outage, scope="undo", seconds=0)
    shop.work()
    assert shop.view(order.id).state is OrderState.COMPENSATING
    sandbox.clear_faults()
    shop.work_until_quiet()
    assert (shop.view(order.id).state, sandbox.held(order.number)) == (OrderState.CANCELLED, {})


def test_what_is_in_place_without_an_id_is_undone(empty_shop: Shop, voucher: Scripted) -> None:
    shop = empty_shop.with_systems(voucher)
    order = shop.submit().order
    shop.cancel(order.id)
    voucher.findings.append(Finding.IN_PLACE)  # this report names no effects
    shop.let_late_windows_pass()
    shop.work()
    assert voucher.verbs() == ["act", "ask", "undo"]


def test_what_a_killed_process_did_is_compensated_by_its_rows(empty_shop: Shop, stock: Scripted) -> None:
    points = Scripted("points", position=2)
    shop = empty_shop.with_systems(stock, points)
    points.acts.append(does_it_and_dies(points))
    with pytest.raises(Killed):
        shop.submit()
    shop.let_submission_leases_lapse()
    shop.work_until_quiet()
    assert (stock.held, points.held, shop.the_order().state) == (0, 0, OrderState.FAILED)
