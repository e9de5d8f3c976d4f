"""Tasks of one system that are claimed and recorded together: as much is promised of each as if it ran alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import Task
from orderapp.services.db.transactions import statements_nest, writing
from orderapp.services.engine.batch import TOGETHER, TOGETHER_SECONDS, Together
from orderapp.systems.base import Part
from orderapp.systems.limits import Limits
from tests.servers.loopback import poll_until
from tests.services.scripted import Killed, Scripted, answers, dies
from tests.services.shop import Shop
from tests.services.test_crashes import dying_everywhere
from tests.services.watching import watching

MANY = 5


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=3)


@pytest.fixture
def shop2(empty_shop: Shop, bank: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), bank)


def together(shop: Shop, system: Scripted) -> Together:
    """Return one that has seen an answer of the system."""
    made = Together(system, shop.settings)
    assert made.at_most == 1  # it may be a slow system
    made.run(waiting_tasks(shop, 1), always)
    system.calls.clear()
    return made


def always() -> bool:
    return True


def waiting_tasks(shop: Shop, count: int = MANY) -> list[int]:
    """Place so many orders and return their settle tasks."""
    for _ in range(count):
        shop.submit()
    return [task.id for task in shop.tasks(state="waiting")]


def states(shop: Shop) -> Counter[str]:
    return Counter(task.state for task in shop.tasks())


def test_tasks_are_claimed_in_one_statement_and_recorded_in_one(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    statements: list[str] = []
    with watching(statement=statements.append):
        made.run(task_ids, always)
    assert states(shop2) == {"done": MANY + 1}
    assert sorted(bank.in_place.values()) == [1] * (MANY + 1)
    attempts = [(one.task_id, one.number, one.outcome) for one in shop2.attempts() if one.task_id in task_ids]
    assert sorted(attempts) == [(task_id, 1, "done") for task_id in task_ids]
    if statements_nest():
        assert len(statements) == 2


def test_of_published_tasks_twice_each_runs_once(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    made.run([*task_ids, *task_ids], always)
    made.run(task_ids, always)
    assert states(shop2) == {"done": MANY + 1}
    assert len(bank.calls) == MANY


def test_of_workers_with_the_same_tasks_in_any_order_one_runs_each(shop2: Shop, bank: Scripted) -> None:
    made, begin = [together(shop2, bank) for _ in range(4)], threading.Barrier(4)
    task_ids = waiting_tasks(shop2, 8)

    def work(number: int) -> None:
        with shop2.app.app_context():
            begin.wait()
            made[number].run(task_ids[number:] + task_ids[:number], always)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert states(shop2) == {"done": 8 + 4}
    assert sorted(bank.in_place.values()) == [1] * 12
    assert len(bank.calls) == 8


def test_what_comes_after_a_failure_is_given_back_untouched(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    bank.before = lambda verb, effect: bank.acts.append(answers(Outcome.NOT_SENT)) if len(bank.calls) == 2 else None
    made.run(task_ids, always)
    tasks = {task.id: task for task in shop2.tasks()}
    assert [tasks[task_id].state for task_id in task_ids[:2]] == ["done", "waiting"]
    assert tasks[task_ids[1]].attempts == 1
    left = [tasks[task_id] for task_id in task_ids[2:]]
    assert {(task.state, task.attempts, task.claims, task.lease_until) for task in left} == {("waiting", 0, 0, None)}
    assert len(bank.calls) == 2
    shop2.make_due()
    shop2.work_until_quiet()
    assert sorted(bank.in_place.values()) == [1] * (MANY + 1)
    assert {(one.number, one.outcome) for one in shop2.attempts(task_id=left[0].id)} == {(1, "done")}


def test_a_worker_that_is_told_to_stop_gives_back_what_it_has_not_begun(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    made.run(task_ids, lambda: len(bank.calls) < 2)
    assert states(shop2) == {"done": 3, "waiting": MANY - 2}
    assert {task.attempts for task in shop2.tasks(state="waiting")} == {0}
    assert len(shop2.due()) == MANY - 2


def test_tasks_of_a_system_that_is_slow_today_are_not_kept_from_others(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    bank.before = lambda verb, effect: time.sleep(TOGETHER_SECONDS) if len(bank.calls) == 1 else None  # it is slow
    made.run(task_ids, always)
    assert states(shop2) == {"done": 2, "waiting": MANY - 1}
    assert made.at_most == 1


def test_more_run_together_once_the_system_has_answered_quickly(shop2: Shop, bank: Scripted) -> None:
    made = Together(bank, shop2.settings)

    def has_learnt() -> bool:
        made.run(waiting_tasks(shop2, 2), always)
        return made.at_most == TOGETHER

    assert poll_until(has_learnt, within_seconds=10)  # a busy machine is slow now and then


@pytest.mark.parametrize("guarantee", [Guarantee.UNSAFE, Guarantee.QUERY_FIRST])
def test_tasks_of_a_system_that_may_do_things_twice_run_alone(empty_shop: Shop, guarantee: Guarantee) -> None:
    sms = Scripted("sms", Part.NOTIFY, guarantee)
    made = together(empty_shop.with_systems(Scripted("stock"), sms), sms)
    assert made.at_most == 1


@pytest.mark.parametrize("limits", [Limits(rate_per_second=1000), Limits(concurrency=MANY)])
def test_tasks_of_a_system_with_limits_are_claimed_one_by_one(shop2: Shop, bank: Scripted, limits: Limits) -> None:
    bank.limits = limits
    made = together(shop2, bank)
    assert made.at_most == 1


def test_tasks_claimed_together_note_the_first_use_of_their_keys(shop2: Shop, bank: Scripted) -> None:
    bank.key_window_seconds = 3600
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    chosen = task_ids[: made.at_most]
    made.run(chosen, always)
    assert all(task.claims and task.key_used_at for task in shop2.tasks() if task.id in chosen)


def test_a_task_that_was_taken_away_meanwhile_is_not_recorded_with_the_others(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)

    def take_away(_verb: str, _effect: object) -> None:
        with writing() as session:
            session.execute(update(Task).where(Task.id == task_ids[1]).values(fencing=Task.fencing + 1))

    bank.before = take_away
    made.run(task_ids[:3], always)
    tasks = {task.id: task for task in shop2.tasks()}
    assert [tasks[task_id].state for task_id in task_ids[:3]] == ["done", "running", "done"]


def test_an_error_that_nobody_foresaw_costs_the_others_nothing(shop2: Shop, bank: Scripted) -> None:
    made, task_ids = together(shop2, bank), waiting_tasks(shop2)
    bank.before = lambda verb, effect: bank.acts.append(dies) if len(bank.calls) == 3 else None
    with pytest.raises(Killed):
        made.run(task_ids, always)
    assert states(shop2) == {"done": 3, "running": 1, "waiting": MANY - 3}
    shop2.let_task_leases_lapse()
    shop2.work_until_quiet()
    assert sorted(bank.in_place.values()) == [1] * (MANY + 1)


def test_whenever_the_worker_dies_each_task_is_done_once(shop2: Shop, bank: Scripted) -> None:
    made = together(shop2, bank)

    def check() -> None:
        assert states(shop2).keys() == {TaskState.DONE.value}
        assert set(bank.in_place.values()) == {1}
        assert shop2.orders_in(OrderState.CONFIRMED) == len(shop2.tasks())

    def prepare() -> object:
        task_ids = waiting_tasks(shop2, 3)
        return lambda: made.run(task_ids, always)

    assert dying_everywhere(shop2, prepare, check)
