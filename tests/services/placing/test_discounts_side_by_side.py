"""Discounts are asked for at all systems at the same time; what comes of it is as if one came after the other."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from orderapp.domain.money import Money
from orderapp.domain.orders import OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote
from orderapp.domain.states import OrderState
from orderapp.errors import InvalidRequest
from orderapp.services.orders.request_schema import read_order
from orderapp.services.placing.place import Result
from orderapp.services.placing.pricing import ask_for_discounts
from orderapp.services.resilience.admission import Admission
from orderapp.services.resilience.rate_limiter import Turns
from orderapp.systems.limits import Limits
from tests.inputs import INPUTS
from tests.services.scripted import Scripted
from tests.services.shop import Shop

MEETING_SECONDS = 10.0
DONE = Answer(Outcome.DONE)
TEN_PERCENT = Quote(DONE, code="TEN", kind="percent", value=10)
REFUSED = Quote(DONE, refused="used_up")
SILENT = Quote(Answer(Outcome.UNKNOWN, "timeout"))
OTHER_CURRENCY = Quote(DONE, code="TEN", kind="amount", value=5, currency="JPY")
NOT_FOUND = Quote(DONE, refused="not_found", field="coupon")


class Quoting(Scripted):
    """Offers what it is told to, once all that are to meet have been asked."""

    def __init__(self, name: str, position: int, meeting: threading.Barrier) -> None:
        super().__init__(name, position=position)
        self.offers: Quote | None = None
        self.asked = 0
        self._meeting = meeting

    def quote(self, request: OrderRequest) -> Quote | None:
        self.asked += 1
        # Asked one after the other, the first would wait for the second until this breaks.
        self._meeting.wait(MEETING_SECONDS)
        return self.offers


@pytest.fixture
def meeting() -> threading.Barrier:
    return threading.Barrier(2)


@pytest.fixture
def first(meeting: threading.Barrier) -> Quoting:
    return Quoting("coupons", 1, meeting)


@pytest.fixture
def second(meeting: threading.Barrier) -> Quoting:
    return Quoting("members", 2, meeting)


@pytest.fixture
def shop(empty_shop: Shop, first: Quoting, second: Quoting) -> Shop:
    return empty_shop.with_systems(first, Scripted("stock", position=3), second)


def test_both_are_asked_before_either_has_answered(shop: Shop, first: Quoting, second: Quoting) -> None:
    first.offers = second.offers = TEN_PERCENT
    placed = shop.submit()
    assert placed.result is Result.CONFIRMED
    assert (first.asked, second.asked) == (1, 1)
    assert [one.source for one in placed.order.discounts] == ["coupons", "members"]


def test_what_nobody_offers_changes_nothing(shop: Shop) -> None:
    placed = shop.submit()
    assert (placed.result, placed.order.discounts) == (Result.CONFIRMED, ())


@pytest.mark.parametrize(
    ("answers", "system", "code", "result"),
    [
        ((REFUSED, TEN_PERCENT), "coupons", "used_up", Result.REFUSED),
        ((TEN_PERCENT, REFUSED), "members", "used_up", Result.REFUSED),
        ((None, REFUSED), "members", "used_up", Result.REFUSED),
        ((REFUSED, SILENT), "coupons", "used_up", Result.REFUSED),
        ((SILENT, REFUSED), "coupons", "timeout", Result.UNAVAILABLE),
        ((OTHER_CURRENCY, SILENT), "coupons", "other_currency", Result.REFUSED),
        # What nothing is recorded for says so only where nothing before it has stopped the order.
        ((REFUSED, NOT_FOUND), "coupons", "used_up", Result.REFUSED),
    ],
)
def test_of_several_that_stop_the_order_the_first_by_position_does(
    shop: Shop,
    first: Quoting,
    second: Quoting,
    answers: tuple[Quote | None, Quote | None],
    system: str,
    code: str,
    result: Result,
) -> None:
    first.offers, second.offers = answers
    placed = shop.submit()
    assert (placed.result, placed.order.state) == (result, OrderState.FAILED)
    assert placed.stopped is not None
    assert (placed.stopped.system, placed.stopped.code) == (system, code)
    assert (first.asked, second.asked) == (1, 1)
    assert first.calls == second.calls == [], "nothing was to happen yet"


@pytest.mark.parametrize("answers", [(NOT_FOUND, REFUSED), (TEN_PERCENT, NOT_FOUND)])
def test_a_code_that_nobody_knows_records_nothing(
    shop: Shop, first: Quoting, second: Quoting, answers: tuple[Quote, Quote]
) -> None:
    first.offers, second.offers = answers
    with pytest.raises(InvalidRequest) as refused:
        shop.submit()
    assert list(refused.value.errors) == ["coupon"]
    assert shop.tasks() == []


def test_a_system_whose_agreed_turn_has_passed_is_asked_in_another_one(
    shop: Shop, first: Quoting, second: Quoting
) -> None:
    first.offers = second.offers = TEN_PERCENT
    first.limits = second.limits = Limits(rate_per_second=50)
    missed = {system.name: Turns(system, time.monotonic() - 60, 1) for system in (first, second)}
    request, subtotal = read_order(shop.content(), INPUTS), Money(1000, "EUR")
    offered = ask_for_discounts(request, subtotal, shop.settings.systems, Admission(turns=missed))
    assert [one.source for one in offered.discounts] == ["coupons", "members"]


def test_what_was_tried_is_recorded_with_its_own_time_not_with_the_slowest_ones(
    shop: Shop, first: Quoting, second: Quoting, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2)
    answered_first_after: list[float] = []

    def slow(request: Any) -> Quote:
        started = time.monotonic()
        both.wait(MEETING_SECONDS)
        threading.Event().wait(0.5)  # it is slow
        answered_first_after.append(time.monotonic() - started)
        return TEN_PERCENT

    def quick(request: Any) -> Quote:
        both.wait(MEETING_SECONDS)
        return REFUSED

    monkeypatch.setattr(first, "quote", slow)
    monkeypatch.setattr(second, "quote", quick)
    shop.submit()
    [attempt] = shop.attempts()
    assert (attempt.system, attempt.verb, attempt.code) == ("members", "quote", "used_up")
    assert attempt.duration_ms < 1000 * answered_first_after[0]
