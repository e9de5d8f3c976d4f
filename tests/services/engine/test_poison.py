"""A task whose worker died runs without others whose worker died: one of them may be the killer (T29)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orderapp.domain.outcome import Answer
from orderapp.domain.states import TaskState
from orderapp.services.engine.poison import AGAIN_WITHIN_SECONDS, LEASE_LAPSED
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Effect, Part
from tests.services.scripted import Killed, Scripted, dies
from tests.services.shop import Shop


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=9)


@pytest.fixture
def shop2(empty_shop: Shop, bank: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), bank)


def died_together(shop: Shop, bank: Scripted, tasks: int) -> list[int]:
    """Return the settle tasks of orders whose worker died while it ran all of them, due again."""
    for _ in range(tasks):
        shop.submit()
    ids = [task.id for task in shop.tasks(kind="settle")]
    bank.acts.extend([dies] * tasks)
    for task_id in ids:
        with pytest.raises(Killed):
            run_task(task_id, shop.settings)
    shop.let_task_leases_lapse()
    recover(shop.settings)
    shop.make_due()
    return ids


def test_of_those_that_died_together_the_next_waits_until_the_first_has_ended(shop2: Shop, bank: Scripted) -> None:
    first, second = died_together(shop2, bank, 2)
    meanwhile: list[TaskState | None] = []

    def with_the_other_beside_it(effect: Effect) -> Answer:
        meanwhile.append(run_task(second, shop2.settings))
        return bank.do(effect)

    bank.acts.append(with_the_other_beside_it)
    assert run_task(first, shop2.settings) is TaskState.DONE
    assert meanwhile == [None]
    [waiting] = [task for task in shop2.tasks(kind="settle") if task.id == second]
    assert (waiting.state, waiting.attempts, waiting.last_code) == (TaskState.WAITING.value, 1, LEASE_LAPSED)
    assert shop2.seconds_until_told(second) <= AGAIN_WITHIN_SECONDS
    assert run_task(second, shop2.settings) is TaskState.DONE


def test_a_killer_holds_up_the_others_for_a_lease_and_nobody_who_has_not_died(shop2: Shop, bank: Scripted) -> None:
    killer, innocent = died_together(shop2, bank, 2)
    shop2.submit()
    [fresh] = [task.id for task in shop2.tasks(kind="settle") if task.id not in (killer, innocent)]
    bank.acts.append(dies)
    with pytest.raises(Killed):
        run_task(killer, shop2.settings)
    assert run_task(innocent, shop2.settings) is None
    assert run_task(fresh, shop2.settings) is TaskState.DONE
    shop2.let_task_leases_lapse()
    recover(shop2.settings)
    assert run_task(innocent, shop2.settings) is TaskState.DONE


def test_of_those_claimed_at_the_same_moment_one_runs(shop2: Shop, bank: Scripted) -> None:
    ids = died_together(shop2, bank, 6)
    all_are_ready = threading.Barrier(len(ids))

    def claim(task_id: int) -> TaskState | None:
        with shop2.app.app_context():
            all_are_ready.wait(30)
            return run_task(task_id, shop2.settings)

    inside, most, lock = 0, 0, threading.Lock()
    one_is_in = threading.Event()

    def count(verb: str, effect: Effect) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        one_is_in.wait(0.05)  # long enough for another one to come in, were it let
        with lock:
            inside -= 1

    bank.before = count
    with ThreadPoolExecutor(len(ids)) as threads:
        states = list(threads.map(claim, ids))
    assert most == 1
    assert TaskState.DONE in states
    assert {task.attempts for task in shop2.tasks(kind="settle") if task.state == "waiting"} <= {1}
    shop2.make_due()
    shop2.work_until_quiet()
    assert bank.held == len(ids)
