"""The process dies before each statement, before and after each commit: whoever comes after puts it right."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.services.engine.recovery import recover
from orderapp.services.engine.run_task import run_task
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, dies, does_it_then
from tests.services.shop import Shop
from tests.services.watching import watching

Deed = Callable[[], object]


@contextlib.contextmanager
def dying_at(moment: int) -> Iterator[list[str]]:
    """Raise Killed at the n-th of these moments: before a statement, before a commit, after a commit.

    Yields:
        The moments that were come to, by name.
    """
    passed: list[str] = []

    def come_to(name: str) -> None:
        passed.append(name)
        if len(passed) == moment:
            raise Killed

    def committed(_session: Session) -> None:
        come_to("committed")

    event.listen(Session, "after_commit", committed)
    try:
        with watching(statement=lambda _text: come_to("statement"), commit=lambda: come_to("commit")):
            yield passed
    finally:
        event.remove(Session, "after_commit", committed)


def dying_everywhere(shop: Shop, prepare: Callable[[], Deed], check: Callable[[], None]) -> list[str]:
    """Let each new deed die one moment later than the last, let others finish the work, check; until one lives.

    Returns:
        The moments of the one that lived.
    """
    for moment in itertools.count(1):
        deed = prepare()
        with dying_at(moment) as passed:
            try:
                deed()
            except Killed:
                lived = False
            else:
                lived = True
        shop.let_submission_leases_lapse(seconds_ago=0.01)
        shop.let_task_leases_lapse()
        recover(shop.settings)
        shop.let_late_windows_pass()
        shop.work_until_quiet()
        check()
        if lived:
            return passed
    raise AssertionError("unreachable")


class Everything:
    """One system of each sort, and what must be true of them once all is quiet."""

    def __init__(self, empty_shop: Shop) -> None:
        self.stock = Scripted("stock", position=1, attempts=20)
        self.voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60, position=2)
        self.bank = Scripted("bank", Part.SETTLE, attempts=20)
        self.mail = Scripted("letters", Part.NOTIFY, attempts=20)
        self.shop = empty_shop.with_systems(self.stock, self.voucher, self.bank, self.mail)

    def check(self) -> None:
        """Each confirmed order has each effect once, all others have none, and every attempt is in its place."""
        confirmed = self.shop.orders_in(OrderState.CONFIRMED)
        ended = self.shop.orders_in(OrderState.FAILED) + self.shop.orders_in(OrderState.CANCELLED)
        assert confirmed + ended == self.shop.order_count()
        for system in (self.stock, self.voucher, self.bank):
            assert set(system.in_place.values()) <= {0, 1}, system.name
            assert system.held == confirmed, system.name
        assert not self.shop.tasks(state="failed")
        numbers: dict[int | None, list[int]] = defaultdict(list)
        for attempt in self.shop.attempts():
            numbers[attempt.task_id].append(attempt.number)
        for task in self.shop.tasks():
            assert numbers[task.id] == list(range(1, task.claims + 1))


@pytest.fixture
def everything(empty_shop: Shop) -> Everything:
    return Everything(empty_shop)


@pytest.mark.parametrize("ends", [Outcome.DONE, Outcome.UNKNOWN, Outcome.REFUSED])
def test_placing(everything: Everything, ends: Outcome) -> None:
    shop, voucher = everything.shop, everything.voucher
    scripted = {Outcome.UNKNOWN: does_it_then(voucher), Outcome.REFUSED: answers(Outcome.REFUSED, "no")}

    def prepare() -> Deed:
        voucher.acts.clear()
        voucher.acts.extend([scripted[ends]] if ends in scripted else [])
        return shop.submit

    def check() -> None:
        voucher.acts.clear()
        everything.check()

    passed = dying_everywhere(shop, prepare, check)
    assert passed.count("commit") == 2


def test_placing_and_repeating_with_the_same_key(everything: Everything) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        content = shop.content()
        key = content["customer"]["email"]

        def twice() -> None:
            try:
                shop.submit(key, content)
            except Killed:
                # Long enough ago for "not there" to count.
                shop.let_submission_leases_lapse(seconds_ago=61)
                assert shop.submit(key, content).order.state is OrderState.CONFIRMED
                raise

        return twice

    dying_everywhere(shop, prepare, everything.check)


def test_trying_again(everything: Everything) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        everything.stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
        order = shop.submit().order
        return lambda: shop.retry(order.id)

    dying_everywhere(shop, prepare, everything.check)


@pytest.mark.parametrize("settled", [True, False])
def test_cancelling(everything: Everything, settled: bool) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        order = shop.submit().order
        if settled:
            shop.work_until_quiet()
        return lambda: shop.cancel(order.id)

    dying_everywhere(shop, prepare, everything.check)


@pytest.mark.parametrize("kind", ["settle", "compensate"])
def test_running_a_task(everything: Everything, kind: str) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        if kind == "compensate":
            everything.voucher.acts.append(does_it_then(everything.voucher))
        task = shop.tasks(shop.submit().order.id, kind=kind)[-1]
        return lambda: run_task(task.id, shop.settings)

    passed = dying_everywhere(shop, prepare, everything.check)
    assert passed.count("commit") == 2


def test_checking_back(everything: Everything) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        everything.voucher.acts.append(dies)
        with pytest.raises(Killed):
            shop.submit()
        shop.let_submission_leases_lapse()
        return lambda: recover(shop.settings)

    dying_everywhere(shop, prepare, everything.check)


def test_repairing_a_task(everything: Everything) -> None:
    shop = everything.shop

    def prepare() -> Deed:
        everything.bank.acts.append(dies)
        [task] = shop.tasks(shop.submit().order.id, kind="settle")
        with pytest.raises(Killed):
            run_task(task.id, shop.settings)
        shop.let_task_leases_lapse()
        return lambda: recover(shop.settings)

    dying_everywhere(shop, prepare, everything.check)
