"""An agreed rate holds for all kinds of calls and all processes together, and a system's own word is heeded (T33)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from orderapp.config import Settings
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskState
from orderapp.errors import ConfigurationError
from orderapp.models import RateSlot
from orderapp.services.db.transactions import reading
from orderapp.services.engine.claim import claim
from orderapp.services.engine.outbox import HINT_AGAIN_SECONDS, mark_published
from orderapp.services.engine.run_task import make_run, run_task
from orderapp.services.placing.place import Result
from orderapp.services.resilience.rate_limiter import TASK_AHEAD_SECONDS, Turns
from orderapp.systems.base import Part
from orderapp.systems.limits import LATE_SECONDS, Limits
from tests.services.conftest import SETTINGS
from tests.services.listening import reconciled
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop

RATE = 10.0
# Between a thread's last look at the clock and its call a busy machine may hold it up, and its call meets the next:
# with a slot each tenth of a second, three of them. What leaves a worker's process is measured in tests/drain.
MOST_IN_A_SECOND = RATE + 3


class Timed(Scripted):
    """A system that notes when its calls come."""

    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self.at: list[float] = []
        self.before = lambda verb, effect: self.at.append(time.monotonic())

    def most_in_a_second(self) -> int:
        return max(sum(start <= moment < start + 1 for moment in self.at) for start in self.at)


@pytest.fixture
def bank() -> Timed:
    return Timed("bank", Part.SETTLE, attempts=100)


@pytest.fixture
def stock() -> Timed:
    return Timed("stock", attempts=100)


@pytest.fixture
def paced_shop(empty_shop: Shop, stock: Timed, bank: Timed) -> Shop:
    return empty_shop.with_systems(stock, bank)


def together(shop: Shop, *deeds: Callable[[], object]) -> None:
    """Do these at the same moment, each with connections of its own."""

    def do(deed: Callable[[], object]) -> None:
        with shop.app.app_context():
            deed()

    threads = [threading.Thread(target=do, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


def worker(shop: Shop) -> Callable[[], None]:
    def work() -> None:
        while any(task.state != "done" for task in shop.tasks(kind="settle")):
            for hint in shop.due():
                run_task(hint.task_id, shop.settings)
            time.sleep(0.01)

    return work


def test_workers_together_never_call_more_often_than_agreed(paced_shop: Shop, bank: Timed) -> None:
    for _ in range(20):
        paced_shop.submit()
    bank.limits = Limits(rate_per_second=RATE)
    together(paced_shop, *[worker(paced_shop)] * 4)
    assert len(bank.at) == 20
    assert bank.most_in_a_second() <= MOST_IN_A_SECOND


def test_orders_and_tasks_share_the_rate_and_an_order_that_would_wait_for_long_is_answered_at_once(
    paced_shop: Shop, stock: Timed
) -> None:
    # The first order of a process builds statements; sixteen threads that do so at once hold up each other's calls.
    paced_shop.submit()
    stock.at.clear()
    stock.limits = Limits(rate_per_second=RATE)
    results: list[Result] = []
    together(paced_shop, *[lambda: results.append(paced_shop.submit().result)] * 16)
    assert stock.most_in_a_second() <= MOST_IN_A_SECOND
    assert len(stock.at) == results.count(Result.CONFIRMED)
    assert results.count(Result.CONFIRMED) >= 5
    assert set(results) <= {Result.CONFIRMED, Result.UNAVAILABLE}
    assert len(results) == 16


def test_a_reconciliation_asks_no_faster_than_agreed(paced_shop: Shop, stock: Timed) -> None:
    for _ in range(8):
        paced_shop.submit()
    paced_shop.work_until_quiet()
    stock.at.clear()
    stock.limits = Limits(rate_per_second=RATE)
    assert reconciled(paced_shop).told == []
    assert len(stock.at) == 8
    assert stock.at[-1] - stock.at[0] > 7 * stock.limits.spacing_seconds - LATE_SECONDS


def test_a_system_without_limits_has_no_row(paced_shop: Shop) -> None:
    paced_shop.submit()
    paced_shop.work_until_quiet()
    with reading() as session:
        assert session.query(RateSlot).all() == []


def test_a_task_that_comes_too_early_is_left_as_it_is(paced_shop: Shop, bank: Timed) -> None:
    for _ in range(3):
        paced_shop.submit()
    bank.limits = Limits(rate_per_second=0.5)
    states = [run_task(task.id, paced_shop.settings) for task in paced_shop.tasks(kind="settle")]
    assert states == [TaskState.DONE, None, None]
    assert [task.attempts for task in paced_shop.tasks(kind="settle")] == [1, 0, 0]


def test_a_task_that_came_too_early_is_told_of_again_when_the_next_slot_is_within_reach(
    paced_shop: Shop, bank: Timed
) -> None:
    for _ in range(2):
        paced_shop.submit()
    mark_published(paced_shop.due())
    bank.limits = Limits(rate_per_second=0.5)
    first, second = (task.id for task in paced_shop.tasks(kind="settle"))
    run_task(first, paced_shop.settings)
    assert paced_shop.seconds_until_told(second) > HINT_AGAIN_SECONDS - 1
    run_task(second, paced_shop.settings)
    slot_in_seconds = 1 / (0.9 * 0.5)
    told_in_seconds = paced_shop.seconds_until_told(second)
    assert slot_in_seconds - TASK_AHEAD_SECONDS - 1 < told_in_seconds <= slot_in_seconds - TASK_AHEAD_SECONDS


def test_nobody_waits_for_a_slot_for_longer_than_leases_cover(paced_shop: Shop, bank: Timed) -> None:
    bank.limits = Limits(rate_per_second=1)
    came: list[tuple[bool, float]] = []

    def call(late: Turns) -> None:
        started = time.monotonic()
        came.append((late.wait(), time.monotonic() - started))

    turns = [Turns(bank, time.monotonic() - 1, 1) for _ in range(6)]  # as after a first call that was slow
    together(paced_shop, *[partial(call, late) for late in turns])
    assert sum(got for got, _ in came) >= 2
    assert not all(got for got, _ in came)
    assert max(seconds for _, seconds in came) <= bank.limits.longest_wait_seconds + LATE_SECONDS


def test_a_runs_second_call_leaves_within_its_lease_however_slow_the_rate(empty_shop: Shop) -> None:
    bank = Timed("bank", Part.SETTLE, Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(Scripted("stock"), bank)
    shop.submit()
    task = shop.task(kind="settle")
    bank.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    run_task(task.id, shop.settings)
    shop.make_due()
    bank.limits = Limits(rate_per_second=0.4)
    # What the settings' check demands, and a little more.
    lease_seconds = bank.call_seconds + bank.limits.longest_wait_seconds + 0.3
    held = claim(task.id, shop.with_settings(task_lease_seconds=lease_seconds).settings)
    assert held is not None
    left: list[float] = []
    bank.before = lambda verb, effect: left.append(held.seconds_left())
    make_run(held, shop.settings)
    assert [seconds >= bank.call_seconds for seconds in left] == [True, True]


def test_a_slow_rate_is_used(paced_shop: Shop, bank: Timed) -> None:
    for _ in range(8):
        paced_shop.submit()
    bank.limits = Limits(rate_per_second=2)

    def relay() -> None:
        while any(task.state != "done" for task in paced_shop.tasks(kind="settle")):
            hints = paced_shop.due()
            mark_published(hints)
            for hint in hints:
                run_task(hint.task_id, paced_shop.settings)
            time.sleep(0.05)

    started = time.monotonic()
    together(paced_shop, relay, relay)
    # Seven slots, 0.56 s each. A hint that is lost costs five.
    assert time.monotonic() - started < 2 * 7 * bank.limits.spacing_seconds


def test_as_many_tasks_run_at_once_as_agreed_and_no_more(paced_shop: Shop, bank: Timed) -> None:
    for _ in range(6):
        paced_shop.submit()
    bank.limits = Limits(concurrency=2)
    inside, most, lock = 0, 0, threading.Lock()

    def count(verb: str, effect: object) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.05)
        with lock:
            inside -= 1

    bank.before = count
    together(paced_shop, *[worker(paced_shop)] * 4)
    assert most == 2
    assert bank.held == 6


@pytest.mark.parametrize(
    ("answer", "holds"),
    [
        (answers(Outcome.NOT_SENT, "http_429", slow_down=True, retry_after_seconds=60), True),
        (answers(Outcome.UNKNOWN, "http_503", retry_after_seconds=60), True),
        (answers(Outcome.UNKNOWN, "http_503"), False),
        (answers(Outcome.DONE, pending=True, retry_after_seconds=60), False),
    ],
)
def test_a_systems_own_word_to_wait_holds_for_its_other_tasks(
    paced_shop: Shop, bank: Timed, answer: Callable[[object], Answer], holds: bool
) -> None:
    for _ in range(2):
        paced_shop.submit()
    bank.acts.append(answer)
    first, second = (task.id for task in paced_shop.tasks(kind="settle"))
    run_task(first, paced_shop.settings)
    if holds:
        assert 55 < (paced_shop.seconds_until_due(first) or 0) < 61
        assert paced_shop.due() == []
    assert (run_task(second, paced_shop.settings) is None) == holds
    assert paced_shop.submit().result is Result.CONFIRMED


def test_orders_are_not_held_by_a_word_to_wait_that_a_task_got(paced_shop: Shop, stock: Timed) -> None:
    order = paced_shop.submit().order
    paced_shop.work_until_quiet()
    stock.undos.append(answers(Outcome.NOT_SENT, "http_429", slow_down=True, retry_after_seconds=60))
    paced_shop.cancel(order.id)
    paced_shop.work()
    assert paced_shop.submit().result is Result.CONFIRMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INVENTORY_RATE_PER_SECOND", "-1"),
        ("SMTP_RATE_PER_SECOND", "many"),
        ("SETTLEMENT_CONCURRENCY", "1.5"),
        ("CIRCUIT_CALLS", "-1"),
        ("CIRCUIT_FAILURE_RATE", "1.1"),
        ("INVENTORY_ORDER_SLOTS", "-1"),
        ("ORDER_SLOTS", "many"),
    ],
)
def test_wrong_limits_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        Settings.from_environment({**SETTINGS, name: value})


def test_a_lease_has_to_cover_the_wait_for_a_slot() -> None:
    timeouts = {"SETTLEMENT_URL": "http://127.0.0.1:1", "SETTLEMENT_TIMEOUT": "1,3", "TASK_LEASE_SECONDS": "5"}
    Settings.from_environment({**SETTINGS, **timeouts})
    with pytest.raises(ConfigurationError, match="^TASK_LEASE_SECONDS: "):
        Settings.from_environment({**SETTINGS, **timeouts, "SETTLEMENT_RATE_PER_SECOND": "5"})
