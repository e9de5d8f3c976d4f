"""An order that is tried again is an order of its cart like any other: one inside the window is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from orderapp.domain.money import Money
from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import ProbableDuplicate, TotalChanged
from orderapp.services.engine.recovery import tidy
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.placing.place import Result
from tests.services.scripted import Scripted, answers
from tests.services.shop import PRICES, Shop


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock")


@pytest.fixture
def content(empty_shop: Shop) -> dict[str, Any]:
    return empty_shop.content()


@pytest.fixture
def shop(empty_shop: Shop, stock: Scripted) -> Shop:
    return empty_shop.with_systems(stock)


@pytest.fixture
def failed(shop: Shop, stock: Scripted, content: dict[str, Any]) -> OrderView:
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    return shop.submit("first", content).order


def test_a_retry_is_a_probable_duplicate_of_the_order_placed_meanwhile(
    shop: Shop, stock: Scripted, content: dict[str, Any], failed: OrderView
) -> None:
    other = shop.submit("other tab", content)
    with pytest.raises(ProbableDuplicate) as caught:
        shop.retry(failed.id, "again")
    assert caught.value.order_id == other.order.id
    assert (find_order(failed.id).state, stock.held) == (OrderState.FAILED, 1)
    meant = shop.retry(failed.id, "again", allow_duplicate=True)
    assert (meant.result, stock.held) == (Result.CONFIRMED, 2)


def test_an_order_placed_again_counts_for_the_next_duplicate(
    shop: Shop, content: dict[str, Any], failed: OrderView
) -> None:
    shop.let_cart_locks_expire()
    assert shop.retry(failed.id).result is Result.CONFIRMED
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("other tab", content)
    assert caught.value.order_id == failed.id


def test_the_window_counts_from_the_end_of_the_earlier_order_too(shop: Shop, content: dict[str, Any]) -> None:
    placed = shop.submit("key 1", content)
    shop.let_cart_locks_of_the_beginning_expire()
    tidy()
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("key 2", content)
    assert caught.value.order_id == placed.order.id
    shop.let_cart_locks_expire()
    assert shop.submit("key 3", content).result is Result.CONFIRMED


def test_an_order_that_takes_longer_than_the_window_still_holds_its_cart(
    shop: Shop, stock: Scripted, content: dict[str, Any]
) -> None:
    came: list[BaseException] = []

    def meanwhile(_effect: Effect) -> Answer:
        shop.let_cart_locks_of_the_beginning_expire()
        with pytest.raises(ProbableDuplicate) as caught:
            shop.submit("key 2", content)
        came.append(caught.value)
        return answers(Outcome.REFUSED, "out_of_stock", repeatable=False)(_effect)

    stock.acts.append(meanwhile)
    shop.submit("key 1", content)
    assert len(came) == 1


def euros(minor: int) -> dict[str, Any]:
    return {"value": minor, "currency": "EUR"}


def test_another_total_than_expected_records_nothing_and_says_what_it_would_be(
    shop: Shop, stock: Scripted, content: dict[str, Any]
) -> None:
    total = 2 * PRICES["TEA-GREEN"]
    for wrong in (euros(total - 1), euros(total + 1), {"value": total, "currency": "USD"}):
        with pytest.raises(TotalChanged) as caught:
            shop.submit("key", {**content, "expected_total": wrong})
        assert caught.value.total == Money(total, "EUR")
        assert [line.sku for line in caught.value.lines] == ["TEA-GREEN"]
    assert (shop.order_count(), stock.ever_done.total()) == (0, 0)
    assert shop.submit("key", {**content, "expected_total": euros(total)}).result is Result.CONFIRMED
    # What was expected is no content: the key stands for its order.
    assert shop.submit("key", {**content, "expected_total": euros(1)}).result is Result.REPLAYED


def test_a_retry_is_at_the_prices_it_was_ordered_at_and_its_total_is_compared(shop: Shop, failed: OrderView) -> None:
    shop.change_price("TEA-GREEN", 1)
    with pytest.raises(TotalChanged) as caught:
        shop.retry(failed.id, "again", expected_total=Money(2, "EUR"))
    assert caught.value.total == failed.total
    assert find_order(failed.id).state is OrderState.FAILED
    assert shop.retry(failed.id, "again", expected_total=failed.total).order.total == failed.total
