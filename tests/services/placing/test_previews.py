"""However many look at what orders would cost, orders have their room; who looks too often sees prices alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from orderapp.domain.networks import household_of
from orderapp.domain.order_limits import Source
from orderapp.domain.orders import NOBODY, LineRequest, OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote
from orderapp.models import RateCounter, RateSlot, db_now, seconds_until
from orderapp.services.db.transactions import reading, writing
from orderapp.services.placing import preview_limits
from orderapp.services.placing.place import Result
from orderapp.services.placing.preview import Preview, preview
from orderapp.services.placing.submitters import passer_by
from orderapp.services.resilience.bulkheads import PREVIEW_SLOTS
from orderapp.services.resilience.rate_limiter import ORDER_AHEAD_SECONDS
from orderapp.systems.limits import Limits
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted
from tests.services.shop import Shop

LINES = (LineRequest("TEA-GREEN", 2),)  # 20.00


class Discounting(Scripted):
    """Takes ten percent off every order, without any code; answers previews only while it is let."""

    def __init__(self) -> None:
        super().__init__("points")
        self.asked = 0
        self.let = threading.Event()
        self.let.set()

    def quote(self, request: OrderRequest) -> Quote | None:
        self.asked += 1
        if request.customer == NOBODY:
            assert self.let.wait(30)
        return Quote(Answer(Outcome.DONE), code="TEN", kind="percent", value=10)


@pytest.fixture
def points() -> Discounting:
    return Discounting()


@pytest.fixture
def shop2(empty_shop: Shop, points: Discounting) -> Shop:
    return empty_shop.with_systems(points)


def look(shop: Shop, address: str | None = "192.0.2.1", session: str | None = "one") -> Preview:
    with shop.app.app_context():
        return preview(OrderRequest(NOBODY, LINES), passer_by(address, session), shop.settings)


def is_known(found: Preview) -> bool:
    """Return whether the discounts are shown; check the total."""
    assert found.total.minor == (1800 if found.is_known else 2000)
    return found.is_known


def leave(looks: int, source: Source) -> None:
    """Leave a source that has looked before only so many looks."""
    bucket = RateCounter.bucket.in_(preview_limits.buckets_of([source]))
    with writing() as session:
        count = preview_limits.MOST[source.kind] - looks
        assert session.execute(update(RateCounter).where(bucket).values(count=count).returning(RateCounter.count)).all()


def test_whoever_looks_too_often_sees_prices_alone_and_can_order(shop2: Shop, points: Discounting) -> None:
    assert is_known(look(shop2))
    leave(2, Source("session", "one"))
    assert [is_known(look(shop2)) for _ in range(4)] == [True] * 2 + [False] * 2
    assert points.asked == 3
    assert is_known(look(shop2, session="another"))
    assert shop2.submit().result is Result.CONFIRMED
    with writing() as session:
        session.execute(update(RateCounter).values(window_ends_at=db_now(-1)))
    assert is_known(look(shop2))


def test_new_sessions_buy_no_more_looks(shop2: Shop, points: Discounting) -> None:
    assert is_known(look(shop2, "2001:db8::1"))
    leave(2, Source("network", household_of("2001:db8::1")))
    looks = [is_known(look(shop2, f"2001:db8::{number}", f"s{number}")) for number in range(2, 6)]
    assert looks == [True] * 2 + [False] * 2
    assert points.asked == 3
    assert is_known(look(shop2, "198.51.100.1"))


def test_looks_at_the_same_moment_are_all_counted(shop2: Shop, points: Discounting) -> None:
    assert is_known(look(shop2))
    leave(2, Source("session", "one"))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: look(shop2), range(12)))
    assert points.asked <= 3


def slots_taken(system: Scripted) -> float:
    """Return how far away the next slot is, in slots."""
    with reading() as session:
        left = session.scalar(select(seconds_until(RateSlot.next_call_at)).where(RateSlot.system == system.name))
    return 0.0 if left is None else left / system.limits.spacing_seconds


def next_slot_in(seconds: float) -> None:
    with writing() as session:
        session.execute(update(RateSlot).values(next_call_at=db_now(seconds)))


def test_a_look_takes_one_slot_for_its_one_call(shop2: Shop, points: Discounting) -> None:
    points.limits = Limits(rate_per_second=1.3)
    assert is_known(look(shop2))
    assert slots_taken(points) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("rate", [1.5, 20])
def test_looks_leave_slots_to_orders(shop2: Shop, points: Discounting, rate: float) -> None:
    points.limits = Limits(rate_per_second=rate)
    assert is_known(look(shop2))
    next_slot_in(ORDER_AHEAD_SECONDS * 0.8)
    assert not is_known(look(shop2))
    assert points.asked == 1
    assert shop2.submit().result is Result.CONFIRMED


def test_a_rate_that_has_no_room_for_two_is_left_to_orders(shop2: Shop, points: Discounting) -> None:
    points.limits = Limits(rate_per_second=0.5)
    assert not is_known(look(shop2))
    assert (points.asked, slots_taken(points)) == (0, 0.0)


@pytest.mark.parametrize(("order_slots", "together"), [(1, 1), (2, 1), (6, PREVIEW_SLOTS), (0, PREVIEW_SLOTS)])
def test_looks_that_wait_for_a_slow_system_take_no_room_of_orders(
    shop2: Shop, points: Discounting, order_slots: int, together: int
) -> None:
    points.limits = Limits(order_slots=order_slots)
    points.let.clear()
    with ThreadPoolExecutor(together) as threads:
        try:
            waiting: list[Any] = [threads.submit(look, shop2) for _ in range(together)]
            assert poll_until(lambda: points.asked == together, within_seconds=20)
            assert not is_known(look(shop2)), "one more doesn't wait"
            assert shop2.submit().result is Result.CONFIRMED
        finally:
            points.let.set()
    assert all(is_known(one.result()) for one in waiting)
