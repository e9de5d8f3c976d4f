"""Invariants 1 to 5 of the design, each broken by one mistake in the code that it speaks of."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import select

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import OrderState, StepState, TaskState
from orderapp.models import Order, Step, Task
from orderapp.services.db.transactions import reading
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from tests.services.scripted import Killed, OneOfEach, answers, dies, does_it_and_dies, does_it_then
from tests.services.shop import Shop


@pytest.fixture
def shop(busy_shop: Shop) -> Shop:
    return busy_shop


def test_invariant_1_no_call_leaves_before_its_intent_and_key_are_committed(shop: Shop, systems: OneOfEach) -> None:
    known: list[tuple[str, str, bool]] = []

    def look(verb: str, effect: Effect) -> None:
        # A transaction of its own: it sees what is committed, and nothing else.
        number, key = effect.order.number, effect.key
        intents = select(Step.id).where(Step.key == key).union_all(select(Task.id).where(Task.key == key))
        with reading() as session:
            order = session.execute(select(Order.id).where(Order.number == number)).first()
            known.append((verb, key, bool(order and session.execute(intents).first())))

    for system in systems.all:
        system.before = look
    order = shop.submit().order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet()
    assert {verb for verb, _key, _found in known} == {"act", "ask", "undo"}
    assert all(found for _verb, _key, found in known), known


@pytest.mark.parametrize("dies_in", ["stock", "voucher"])
def test_invariant_1_what_to_compensate_comes_from_the_rows(shop: Shop, systems: OneOfEach, dies_in: str) -> None:
    system = getattr(systems, dies_in)
    system.acts.append(does_it_and_dies(system))
    with pytest.raises(Killed):
        shop.submit()
    shop.let_submission_leases_lapse()
    recover(shop.settings)
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert (shop.the_order().state, systems.held) == (OrderState.FAILED, [0, 0, 0])


def test_invariant_2_unknown_is_settled_by_repeating_asking_or_a_person(shop: Shop, systems: OneOfEach) -> None:
    for system in (systems.voucher, systems.bank, systems.texts):
        system.acts.append(does_it_then(system))
    # Asked and then undone, since a customer doesn't wait for a late window ...
    failed = shop.submit().order
    assert {step.system: step.state for step in shop.steps(failed.id)}["voucher"] == StepState.UNKNOWN.value
    shop.work_until_quiet()
    assert (systems.voucher.verbs(), systems.voucher.held) == (["act", "ask", "undo"], 0)
    # ... repeated with the same key, and left to a person.
    shop.submit()
    shop.work_until_quiet()
    assert systems.bank.verbs() == ["act", "act"]
    assert (systems.bank.ever_done.total(), systems.texts.verbs()) == (1, ["act"])
    assert shop.task(kind="notify").state == TaskState.FAILED.value


def test_invariant_3_compensation_covers_what_is_unknown(shop: Shop, systems: OneOfEach) -> None:
    systems.voucher.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    shop.submit()
    for _ in range(3):
        shop.make_due()
        shop.work()
    key = shop.task(kind="compensate", system="voucher").key
    systems.voucher.in_place[key] += 1  # inside the late window
    shop.make_due()
    shop.work_until_quiet()
    assert (shop.the_order().state, systems.held) == (OrderState.FAILED, [0, 0, 0])


def test_invariant_3_a_late_success_is_recorded_and_compensated(shop: Shop, systems: OneOfEach) -> None:
    def late(effect: Effect) -> Answer:
        shop.let_submission_leases_lapse()
        recover(shop.settings)
        shop.let_late_windows_pass()
        shop.work_until_quiet()
        return systems.voucher.do(effect)

    systems.voucher.acts.append(late)
    order = shop.submit().order
    assert systems.voucher.held == 1
    assert "done" in [attempt.outcome for attempt in shop.attempts(order_id=order.id, system="voucher")]
    shop.work()
    assert systems.voucher.held == 0
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert (shop.the_order().state, systems.held) == (OrderState.FAILED, [0, 0, 0])


@pytest.mark.parametrize("seed", range(3))
def test_invariant_4_a_message_twice_late_or_out_of_order_does_nothing_twice(
    shop: Shop, systems: OneOfEach, seed: int
) -> None:
    rng = random.Random(seed)
    orders = [shop.submit().order for _ in range(4)]
    shop.cancel(orders[0].id)
    messages = [task.id for task in shop.tasks()] * 3
    rng.shuffle(messages)
    for task_id in messages:
        run_task(task_id, shop.settings)
    shop.work_until_quiet()
    for task_id in messages:
        assert run_task(task_id, shop.settings) is None
    assert systems.held == [3, 3, 3]
    assert systems.texts.ever_done.total() == 3
    assert all(count == 1 for system in systems.all for count in system.ever_done.values())


def test_invariant_4_losing_every_message_loses_nothing(shop: Shop, systems: OneOfEach) -> None:
    # No message was ever sent for these: the rows alone tell what is to be done.
    shop.submit()
    assert {hint.system for hint in shop.due()} == {"bank", "texts"}
    shop.work_until_quiet()
    assert systems.held == [1, 1, 1]


def test_invariant_5_a_claim_takes_attempt_lease_and_token_at_once(shop: Shop, systems: OneOfEach) -> None:
    shop.submit()
    task = shop.task(kind="settle")
    seen: list[Task] = []
    systems.bank.before = lambda _verb, _effect: seen.append(shop.task(kind="settle"))
    systems.bank.acts.append(dies)
    with pytest.raises(Killed):
        run_task(task.id, shop.settings)
    [claimed] = seen
    assert (claimed.state, claimed.attempts, claimed.claims) == ("running", task.attempts + 1, task.claims + 1)
    assert claimed.fencing == task.fencing + 1
    assert claimed.lease_until is not None


def test_invariant_5_whoever_lost_the_lease_changes_nothing(shop: Shop, systems: OneOfEach) -> None:
    def outlive(effect: Effect) -> Answer:
        shop.let_submission_leases_lapse(seconds_ago=61)
        assert shop.submit("key", content).result is Result.CONFIRMED
        return Answer(Outcome.REFUSED, "out_of_stock", repeatable=False)

    content = shop.content()
    systems.stock.acts.append(outlive)
    assert shop.submit("key", content).order.state is OrderState.CONFIRMED
    assert [task.keep for task in shop.tasks(kind="compensate")] == [1], "only a surplus would be taken back"
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert systems.held == [1, 1, 1]
