"""Two at once on one order: whatever one does before each statement of the other, nothing is lost, doubled or stuck.

On PostgreSQL only: SQLite has one writer at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.errors import InProgress, OrderappError, ProbableDuplicate
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Placed
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, does_it_and_dies, does_it_then
from tests.services.shop import Shop
from tests.services.watching import watching

# How long the other may take before we take it to be waiting for a lock of ours, and go on.
BLOCKED_SECONDS = 0.1
MOST_STATEMENTS = 60

Deed = Callable[[], object]


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


class Interleaving:
    """Runs one deed, and another one in a thread of its own just before the first one's n-th statement."""

    def __init__(self, shop: Shop, other: Deed, before_statement: int) -> None:
        self._shop = shop
        self._other = other
        self._left = before_statement
        self._mine = threading.get_ident()
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[object] | None = None

    def run(self, first: Deed) -> bool:
        """Run both to their ends; return whether the first had as many statements. Raises what either raised.

        Where it hadn't, the other one runs after it.
        """
        try:
            with watching(statement=self._count):
                first()
        finally:
            self._pool.shutdown(wait=True)
        if self._running is None:
            self._other()
            return False
        self._running.result()
        return True

    def _count(self, _text: str) -> None:
        if threading.get_ident() != self._mine or self._running is not None:
            return
        self._left -= 1
        if self._left == 0:
            self._running = self._pool.submit(self._in_context)
            done = threading.Event()
            self._running.add_done_callback(lambda _future: done.set())
            done.wait(BLOCKED_SECONDS)

    def _in_context(self) -> None:
        with self._shop.app.app_context():
            self._other()


def every_interleaving(shop: Shop, prepare: Callable[[], tuple[Deed, Deed]], check: Callable[[], None]) -> None:
    """Prepare two deeds anew for each statement of the first; run both; let the work be finished; check."""
    for statement in range(1, MOST_STATEMENTS):
        first, other = prepare()
        reached = Interleaving(shop, other, statement).run(first)
        shop.work_until_quiet()
        check()
        if not reached:
            assert statement > 2, "a deed has two statements at the least"
            return
    pytest.fail("the first deed never came to its end")


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=1)


@pytest.fixture
def points() -> Scripted:
    return Scripted("points", position=2)


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE)


@pytest.mark.parametrize("retry_first", [True, False])
def test_trying_again_while_the_same_cart_is_ordered_in_another_tab(
    empty_shop: Shop, stock: Scripted, retry_first: bool
) -> None:
    shop = empty_shop.with_systems(stock)
    came: list[str] = []
    held = [0]

    def prepare() -> tuple[Deed, Deed]:
        content = shop.content()
        stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
        failed = shop.submit(content=content).order
        deeds = (
            lambda: came.append(_result_of(lambda: shop.retry(failed.id))),
            lambda: came.append(_result_of(lambda: shop.submit(content=content))),
        )
        return deeds if retry_first else (deeds[1], deeds[0])

    def check() -> None:
        held.append(stock.held)
        assert sorted(came) == ["confirmed", "probable_duplicate"]
        assert held[-1] - held[-2] == 1
        came.clear()

    every_interleaving(shop, prepare, check)


def _result_of(place: Callable[[], Placed]) -> str:
    try:
        return place().result.value
    except ProbableDuplicate as error:
        return error.code


def test_cancelling_while_a_worker_begins_to_settle(empty_shop: Shop, stock: Scripted, bank: Scripted) -> None:
    shop = empty_shop.with_systems(stock, bank)

    def prepare() -> tuple[Deed, Deed]:
        order = shop.submit().order
        [settle] = shop.tasks(order.id, kind="settle")
        return lambda: shop.cancel(order.id), lambda: run_task(settle.id, shop.settings)

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.CANCELLED, stock, bank))


def test_settling_while_the_order_is_cancelled(empty_shop: Shop, stock: Scripted, bank: Scripted) -> None:
    shop = empty_shop.with_systems(stock, bank)

    def prepare() -> tuple[Deed, Deed]:
        order = shop.submit().order
        [settle] = shop.tasks(order.id, kind="settle")
        return lambda: run_task(settle.id, shop.settings), lambda: shop.cancel(order.id)

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.CANCELLED, stock, bank))


def test_two_workers_that_finish_the_last_two_compensations(
    empty_shop: Shop, stock: Scripted, points: Scripted
) -> None:
    shop = empty_shop.with_systems(stock, points)

    def prepare() -> tuple[Deed, Deed]:
        points.acts.append(does_it_then(points))
        order = shop.submit().order
        first, other = (task.id for task in shop.tasks(order.id, kind="compensate"))
        return lambda: run_task(first, shop.settings), lambda: run_task(other, shop.settings)

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.FAILED, stock, points))


def test_two_workers_with_the_same_task(empty_shop: Shop, stock: Scripted, bank: Scripted) -> None:
    shop = empty_shop.with_systems(stock, bank)

    def prepare() -> tuple[Deed, Deed]:
        [settle] = shop.tasks(shop.submit().order.id, kind="settle")
        return lambda: run_task(settle.id, shop.settings), lambda: run_task(settle.id, shop.settings)

    def check() -> None:
        assert all((task.state, task.claims) == ("done", 1) for task in shop.tasks(kind="settle"))
        assert set(bank.ever_done.values()) == {1}

    every_interleaving(shop, prepare, check)


def test_going_on_with_a_submission_while_the_timer_turns_it_round(empty_shop: Shop, stock: Scripted) -> None:
    shop = empty_shop.with_systems(stock)

    def prepare() -> tuple[Deed, Deed]:
        content = shop.content()
        key = content["customer"]["email"]
        stock.acts.append(does_it_and_dies(stock))
        with pytest.raises(Killed):
            shop.submit(key, content)
        shop.let_submission_leases_lapse()
        return lambda: _either_way(lambda: shop.submit(key, content)), lambda: recover(shop.settings)

    def check() -> None:
        assert shop.orders_in(OrderState.CONFIRMED) == stock.held

    every_interleaving(shop, prepare, check)


def test_reporting_a_late_success_while_its_compensation_runs(empty_shop: Shop, stock: Scripted) -> None:
    voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, position=2)
    shop = empty_shop.with_systems(stock, voucher)
    found: list[int] = []

    def late(effect: Any) -> Answer:
        shop.let_submission_leases_lapse()
        recover(shop.settings)
        [task] = shop.tasks(key=effect.key, kind="compensate")
        found.append(task.id)
        return voucher.do(effect)

    def prepare() -> tuple[Deed, Deed]:
        voucher.acts.append(late)
        return shop.submit, lambda: [run_task(task_id, shop.settings) for task_id in found[-1:]]

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.FAILED, stock, voucher))


def test_staff_requeue_a_compensation_while_it_runs(empty_shop: Shop, stock: Scripted, points: Scripted) -> None:
    shop = empty_shop.with_systems(stock, points)

    def prepare() -> tuple[Deed, Deed]:
        points.acts.append(does_it_then(points))
        task = shop.tasks(shop.submit().order.id, kind="compensate")[0]
        requeue = lambda: task_actions.requeue([task.id], COMMAND_LINE, "it was well again", shop.settings)  # noqa: E731
        return lambda: run_task(task.id, shop.settings), requeue

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.FAILED, stock, points))


def test_two_retries_at_once(empty_shop: Shop, stock: Scripted) -> None:
    shop = empty_shop.with_systems(stock)

    def prepare() -> tuple[Deed, Deed]:
        stock.acts.append(lambda effect: Answer(Outcome.REFUSED, "out_of_stock", repeatable=False))
        order = shop.submit().order
        return (lambda: _either_way(lambda: shop.retry(order.id)),) * 2  # type: ignore[return-value]

    def check() -> None:
        assert shop.orders_in(OrderState.CONFIRMED) == stock.held == shop.order_count()

    every_interleaving(shop, prepare, check)


def _either_way(deed: Deed) -> None:
    try:
        deed()
    except InProgress:
        pass  # the other one was faster
    except OrderappError as error:
        assert error.code == "wrong_state", error  # noqa: PT017 - any other error is a failure


def _nothing_is_held(shop: Shop, state: OrderState, *systems: Scripted) -> None:
    assert shop.orders_in(state) == shop.order_count()
    assert [system.held for system in systems] == [0] * len(systems)


def test_staff_take_up_a_settlement_again_while_its_order_is_cancelled(
    empty_shop: Shop, stock: Scripted, bank: Scripted
) -> None:
    shop = empty_shop.with_systems(stock, bank)

    def prepare() -> tuple[Deed, Deed]:
        [settle] = shop.tasks(shop.submit().order.id, kind="settle")
        task_actions.cancel([settle.id], COMMAND_LINE, "paid in cash")
        requeue = lambda: task_actions.requeue([settle.id], COMMAND_LINE, "not paid", shop.settings)  # noqa: E731
        return requeue, lambda: shop.cancel(settle.order_id)

    every_interleaving(shop, prepare, lambda: _nothing_is_held(shop, OrderState.CANCELLED, stock, bank))
