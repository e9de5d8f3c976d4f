"""A system that hangs keeps a few threads waiting; orders that don't need it, and everybody else, go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from orderapp.domain.outcome import Finding, Quote
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.services.placing.place import Placed, Result
from orderapp.services.resilience.bulkheads import behind_bulkhead
from orderapp.systems.limits import Limits
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted
from tests.services.shop import Shop

SLOTS = 2
COUPON = {"coupon": "TEN"}


class Hanging(Scripted):
    """Concerns orders with a coupon; answers only once it is let."""

    def __init__(self, **more: Any) -> None:
        super().__init__("voucher", position=2, **more)
        self.limits = Limits(order_slots=SLOTS)
        self.inside = 0
        self.let = threading.Event()
        self.before = self.hang

    def concerns(self, order: Any) -> bool:
        return bool(order.inputs["coupon"])

    def hang(self, verb: str, effect: object) -> None:
        if not self.let.is_set():
            self.inside += 1
            assert self.let.wait(30)


@pytest.fixture
def voucher() -> Hanging:
    return Hanging()


@pytest.fixture
def shop2(empty_shop: Shop, voucher: Hanging) -> Shop:
    return empty_shop.with_systems(Scripted("stock", position=1), voucher)


@contextmanager
def with_all_slots_taken(shop: Shop, voucher: Hanging) -> Iterator[list[Future[Placed]]]:
    def submit() -> Placed:
        with shop.app.app_context():
            return shop.submit(**COUPON)

    with ThreadPoolExecutor(SLOTS) as threads:
        waiting = [threads.submit(submit) for _ in range(SLOTS)]
        try:
            assert poll_until(lambda: voucher.inside == SLOTS, within_seconds=20)
            yield waiting
        finally:
            voucher.let.set()


def test_orders_that_do_not_need_the_hanging_system_go_on(shop2: Shop, voucher: Hanging) -> None:
    with with_all_slots_taken(shop2, voucher) as waiting:
        assert shop2.submit().result is Result.CONFIRMED
        assert not any(one.done() for one in waiting)
    assert [one.result().result for one in waiting] == [Result.CONFIRMED] * SLOTS


def test_one_more_that_needs_it_is_turned_away_at_once_and_can_be_tried_again(shop2: Shop, voucher: Hanging) -> None:
    with with_all_slots_taken(shop2, voucher):
        started = time.monotonic()
        placed = shop2.submit(**COUPON)
        assert time.monotonic() - started < 5, "it didn't wait for the system"
        assert placed.result is Result.UNAVAILABLE
        assert placed.stopped is not None
        assert (placed.stopped.system, placed.stopped.code) == ("voucher", "busy")
    shop2.work_until_quiet()
    assert shop2.view(placed.order.id).state is OrderState.FAILED
    assert shop2.circuit("voucher") is None, "it says nothing about the system"
    assert shop2.retry(placed.order.id).result is Result.CONFIRMED
    shop2.work_until_quiet()
    assert voucher.held == SLOTS + 1


def test_an_order_whose_discount_it_would_be_asked_for_reserves_nothing(empty_shop: Shop) -> None:
    class Quoting(Hanging):
        def quote(self, request: Any) -> Quote | None:
            self.hang("quote", request)
            return None

    stock, voucher = Scripted("stock", position=1), Quoting()
    shop = empty_shop.with_systems(stock, voucher)
    with with_all_slots_taken(shop, voucher):
        placed = shop.submit(**COUPON)
        assert (placed.order.state, stock.ever_done.total()) == (OrderState.FAILED, 0)


def test_a_resumed_order_that_cannot_ask_stays_unknown(empty_shop: Shop) -> None:
    voucher = Hanging(guarantee=Guarantee.QUERY_FIRST, late_window_seconds=0.1)
    shop = empty_shop.with_systems(Scripted("stock", position=1), voucher)
    with with_all_slots_taken(shop, voucher):
        assert shop.submit(**COUPON).result is Result.UNAVAILABLE
    shop.let_late_windows_pass()
    shop.work_until_quiet()
    assert voucher.held == SLOTS


def test_a_question_that_finds_all_slots_taken_proves_nothing(empty_shop: Shop) -> None:
    voucher = Hanging(guarantee=Guarantee.QUERY_FIRST)
    shop = empty_shop.with_systems(Scripted("stock", position=1), voucher)
    order = shop.submit().order
    [document] = [shop.effect(step) for step in shop.steps(order.id) if step.system == "stock"]
    with with_all_slots_taken(shop, voucher):
        report = behind_bulkhead(voucher).ask(document)
    assert (report.finding, report.answer.code) == (Finding.UNCLEAR, "busy")
