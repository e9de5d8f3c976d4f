"""Running tasks: claims, attempts, when to try again, when to call for staff."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert

from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import PENDING_POLL_SECONDS, Guarantee
from orderapp.domain.states import OrderState, TaskState
from orderapp.models import SwitchMode, SystemSwitch, Task, db_now
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_and_dies, does_it_then
from tests.services.shop import Shop


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE, attempts=3)


@pytest.fixture
def shop2(empty_shop: Shop, bank: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), bank)


def settle_task(shop: Shop) -> Task:
    """Place an order and return its settle task."""
    shop.submit()
    return shop.task(kind="settle")


def run(shop: Shop, task: Task) -> TaskState | None:
    shop.make_due()
    return run_task(task.id, shop.settings)


def due_in_seconds(shop: Shop, task: Task) -> float:
    """Return in how many seconds a task is due, by the database's clock."""
    found = shop.seconds_until_due(task.id)
    assert found is not None
    return found


def test_a_task_that_is_done_is_not_run_again(shop2: Shop, bank: Scripted) -> None:
    task = settle_task(shop2)
    assert [run(shop2, task) for _ in range(3)] == [TaskState.DONE, None, None]
    assert bank.verbs() == ["act"]


def test_of_eight_workers_with_one_message_each_one_runs_the_task(shop2: Shop, bank: Scripted) -> None:
    task = settle_task(shop2)

    def work(_number: int) -> TaskState | None:
        with shop2.app.app_context():
            return run_task(task.id, shop2.settings)

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(work, range(8)))
    assert sorted(map(str, states)) == ["None"] * 7 + ["done"]
    assert bank.verbs() == ["act"]


def test_a_task_that_is_not_due_or_does_not_exist_is_left_alone(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.NOT_SENT, retry_after_seconds=60))
    task = settle_task(shop2)
    assert run(shop2, task) is TaskState.WAITING
    assert run_task(task.id, shop2.settings) is None
    assert run_task(task.id + 1000, shop2.settings) is None
    assert bank.verbs() == ["act"]


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.UNKNOWN])
def test_a_failure_is_repeated_with_the_same_key_until_the_attempts_are_used_up(
    shop2: Shop, bank: Scripted, outcome: Outcome
) -> None:
    bank.acts.extend([answers(outcome, "http_502")] * 10)
    task = settle_task(shop2)
    states = [run(shop2, task) for _ in range(4)]
    assert states == [TaskState.WAITING, TaskState.WAITING, TaskState.FAILED, None]
    assert bank.calls == [("act", task.key)] * 3
    [failed] = shop2.tasks(kind="settle")
    assert (failed.attempts, failed.last_code) == (3, "http_502")
    assert failed.last_message == "3 attempts used up; last: http_502"
    assert (failed.due_at, failed.publish_at, failed.lease_until) == (None, None, None)


def test_every_attempt_stays_numbered_without_gaps_under_the_claim_that_made_it(shop2: Shop, bank: Scripted) -> None:
    bank.acts.extend([answers(Outcome.NOT_SENT), answers(Outcome.DONE, pending=True), does_it_then(bank)])
    task = settle_task(shop2)
    for _ in range(4):
        run(shop2, task)
    attempts = shop2.attempts(task_id=task.id)
    assert [(one.number, one.outcome) for one in attempts] == [
        (1, "not_sent"),
        (2, "done"),
        (3, "unknown"),
        (4, "done"),
    ]
    assert {one.verb for one in attempts} == {"act"}
    assert all(one.worker and one.started_at.tzinfo for one in attempts)


def test_a_snooze_gives_its_attempt_back_however_often(shop2: Shop, bank: Scripted) -> None:
    bank.acts.extend([answers(Outcome.DONE, pending=True)] * 5)
    task = settle_task(shop2)
    for _ in range(5):
        assert run(shop2, task) is TaskState.WAITING
    [waiting] = shop2.tasks(kind="settle")
    assert (waiting.attempts, waiting.claims) == (0, 5)
    assert 0 < due_in_seconds(shop2, task) <= PENDING_POLL_SECONDS * 1.5**4
    assert run(shop2, task) is TaskState.DONE


@pytest.mark.parametrize("asked_seconds", [5.0, 3600.0])
def test_a_retry_after_is_honoured_though_the_backoff_is_shorter(
    shop2: Shop, bank: Scripted, asked_seconds: float
) -> None:
    bank.acts.append(answers(Outcome.NOT_SENT, "http_429", retry_after_seconds=asked_seconds))
    task = settle_task(shop2)
    run(shop2, task)
    assert asked_seconds - 2 < due_in_seconds(shop2, task) <= asked_seconds


def test_an_absurd_retry_after_parks_a_task_for_a_day_at_most(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.NOT_SENT, "http_429", retry_after_seconds=1e9))
    task = settle_task(shop2)
    run(shop2, task)
    assert 86_300 < due_in_seconds(shop2, task) <= 86_400


@pytest.mark.parametrize(
    "act", [answers(Outcome.REFUSED, "no", repeatable=False), answers(Outcome.NOT_SENT, "http_401", repeatable=False)]
)
def test_what_cannot_succeed_as_it_is_goes_to_staff_at_once(shop2: Shop, bank: Scripted, act: object) -> None:
    bank.acts.append(act)  # type: ignore[arg-type]
    assert run(shop2, settle_task(shop2)) is TaskState.FAILED
    assert shop2.the_order().state is OrderState.CONFIRMED


def test_a_dead_worker_leaves_an_attempt_and_the_task_is_due_again(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(does_it_and_dies(bank))
    task = settle_task(shop2)
    with pytest.raises(Killed):
        run(shop2, task)
    assert recover(shop2.settings).tasks == 0
    assert run_task(task.id, shop2.settings) is None
    shop2.let_task_leases_lapse()
    assert recover(shop2.settings).tasks == 1
    [waiting] = shop2.tasks(kind="settle")
    assert (waiting.state, waiting.attempts, waiting.last_code) == ("waiting", 1, "lease_lapsed")
    [attempt] = shop2.attempts(task_id=task.id)
    assert (attempt.number, attempt.outcome, attempt.code) == (1, "unknown", "lease_lapsed")
    assert run(shop2, task) is TaskState.DONE
    assert bank.ever_done.total() == 1


def test_a_task_that_kills_its_worker_each_time_stops_at_the_limit(shop2: Shop, bank: Scripted) -> None:
    bank.acts.extend([dies] * 10)
    task = settle_task(shop2)
    for _ in range(3):
        with pytest.raises(Killed):
            run(shop2, task)
        shop2.let_task_leases_lapse()
        recover(shop2.settings)
    assert run(shop2, task) is None
    assert shop2.task(kind="settle").state == TaskState.FAILED.value
    assert [attempt.number for attempt in shop2.attempts(task_id=task.id)] == [1, 2, 3]


def test_an_unsafe_task_whose_worker_died_goes_to_staff_at_once(empty_shop: Shop) -> None:
    texts = Scripted("texts", Part.NOTIFY, Guarantee.UNSAFE, attempts=9)
    shop = empty_shop.with_systems(Scripted("stock"), texts)
    texts.acts.append(does_it_and_dies(texts))
    shop.submit()
    task = shop.task(kind="notify")
    with pytest.raises(Killed):
        run(shop, task)
    shop.let_task_leases_lapse()
    recover(shop.settings)
    assert shop.task(kind="notify").state == TaskState.FAILED.value
    shop.work_until_quiet()
    assert texts.ever_done.total() == 1


def test_an_unsafe_task_is_repeated_only_where_nothing_was_sent(empty_shop: Shop) -> None:
    texts = Scripted("texts", Part.NOTIFY, Guarantee.UNSAFE, attempts=9)
    shop = empty_shop.with_systems(Scripted("stock"), texts)
    texts.acts.extend([answers(Outcome.NOT_SENT), does_it_then(texts)])
    shop.submit()
    task = shop.task(kind="notify")
    assert [run(shop, task) for _ in range(3)] == [TaskState.WAITING, TaskState.FAILED, None]
    assert texts.ever_done.total() == 1


def test_five_timers_recover_a_task_once(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(dies)
    task = settle_task(shop2)
    with pytest.raises(Killed):
        run(shop2, task)
    shop2.let_task_leases_lapse()

    def recover_once(_number: int) -> int:
        with shop2.app.app_context():
            return recover(shop2.settings).tasks

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(recover_once, range(5))) == 1
    assert len(shop2.attempts(task_id=task.id)) == 1


def test_whoever_lost_a_task_changes_nothing_of_it(shop2: Shop, bank: Scripted) -> None:
    task = settle_task(shop2)

    def outlive_the_lease(effect: object) -> object:
        shop2.let_task_leases_lapse()
        recover(shop2.settings)
        return answers(Outcome.REFUSED, "no", repeatable=False)(effect)  # type: ignore[arg-type]

    bank.acts.append(outlive_the_lease)  # type: ignore[arg-type]
    assert run(shop2, task) is None
    assert shop2.task(kind="settle").state == TaskState.WAITING.value
    assert [one.code for one in shop2.attempts(task_id=task.id)] == ["lease_lapsed", "no"]
    assert run(shop2, task) is TaskState.DONE


@pytest.mark.parametrize(
    ("mode", "settles", "compensates"), [("paused", False, False), ("compensate_only", False, True)]
)
def test_a_switched_off_system_uses_up_no_attempts(
    empty_shop: Shop, mode: str, settles: bool, compensates: bool
) -> None:
    bank, stock = Scripted("bank", Part.SETTLE), Scripted("stock")
    shop = empty_shop.with_systems(stock, bank)
    order = shop.submit().order
    with writing() as session:
        for system in ("bank", "stock"):
            row = {"system": system, "mode": SwitchMode(mode).value, "reason": "works", "changed_at": db_now()}
            session.execute(insert(SystemSwitch).values(**row))
    assert (run(shop, shop.task(kind="settle")) is not None) == settles
    shop.cancel(order.id)
    assert (run(shop, shop.task(kind="compensate")) is not None) == compensates
    assert {task.attempts for task in shop.tasks(kind="settle")} == {0}


def test_staff_requeue_a_failed_task_and_it_goes_on_with_its_history(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "no", repeatable=False))
    task = settle_task(shop2)
    run(shop2, task)
    task_actions.requeue([task.id], COMMAND_LINE, "the bank has corrected it", shop2.settings)
    assert run(shop2, task) is TaskState.DONE
    assert [(one.number, one.outcome) for one in shop2.attempts(task_id=task.id)] == [(1, "refused"), (2, "done")]


def test_a_lease_outlasts_the_call_it_covers(shop2: Shop, bank: Scripted) -> None:
    left: list[float] = []
    bank.before = lambda _verb, _effect: left.append(shop2.seconds_of_lease_left())
    run(shop2, settle_task(shop2))
    assert shop2.settings.task_lease_seconds - 2 < left[0] <= shop2.settings.task_lease_seconds


def test_a_task_of_a_system_that_this_process_does_not_know_waits_for_one_that_does(
    shop2: Shop, bank: Scripted
) -> None:
    task = settle_task(shop2)
    older = shop2.with_systems(Scripted("stock"))
    assert run(older, task) is None
    assert (shop2.task(kind="settle").state, shop2.task(kind="settle").claims) == ("waiting", 0)

    bank.acts.append(dies)
    with pytest.raises(Killed):
        run(shop2, task)
    shop2.let_task_leases_lapse()
    assert recover(older.settings).tasks == 0
    assert recover(shop2.settings).tasks == 1


def test_a_system_that_answers_slowly_holds_its_own_call_only(shop2: Shop, bank: Scripted) -> None:
    bank.before = lambda _verb, _effect: time.sleep(0.05)
    task = settle_task(shop2)
    run(shop2, task)
    [attempt] = shop2.attempts(task_id=task.id)
    assert 50 <= attempt.duration_ms < 5000
