"""What a key stands for: the same order always, whatever happened in between."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import InProgress, KeyReused, ProbableDuplicate
from orderapp.services.placing.place import Result
from orderapp.systems.base import Part
from tests.sandbox.running import RunningSandbox
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop


def test_the_same_key_and_content_after_the_confirmation_is_answered_with_the_same_order(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    first = shop.submit("key", content)
    again = shop.submit("key", content)
    assert (first.result, again.result) == (Result.CONFIRMED, Result.REPLAYED)
    assert again.order == first.order
    assert stock.verbs() == ["act"]


def test_the_order_of_the_lines_and_the_word_on_duplicates_are_no_other_content(empty_shop: Shop) -> None:
    shop = empty_shop.with_systems(Scripted("stock"))
    lines = [{"sku": "TEA-GREEN", "quantity": 1}, {"sku": "GIFT-BOX", "quantity": 2}]
    content = shop.content(lines=lines)
    first = shop.submit("key", content)
    again = shop.submit("key", {**content, "lines": lines[::-1], "duplicate": "allow"})
    assert (again.result, again.order.id) == (Result.REPLAYED, first.order.id)


@pytest.mark.parametrize("change", [{"coupon": "WELCOME10"}, {"lines": [{"sku": "TEA-GREEN", "quantity": 3}]}])
def test_the_same_key_with_other_content_is_refused_and_nothing_is_done(
    empty_shop: Shop, change: dict[str, Any]
) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    shop.submit("key", content)
    with pytest.raises(KeyReused):
        shop.submit("key", {**content, **change})
    assert (shop.order_count(), stock.verbs()) == (1, ["act"])


def test_other_content_is_told_apart_even_while_the_first_is_being_placed(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    raised: list[type[BaseException]] = []

    def meanwhile(_verb: str, _effect: object) -> None:
        for body in (content, {**content, "coupon": "OTHER"}):
            with pytest.raises((InProgress, KeyReused)) as caught:
                shop.submit("key", body)
            raised.append(caught.type)

    stock.before = meanwhile
    shop.submit("key", content)
    assert raised == [InProgress, KeyReused]


def test_keys_of_two_clients_are_strangers_to_each_other(shop: Shop) -> None:
    content = shop.content()
    assert shop.submit("key", content).order.id != _as_client(shop, "key", content)


def _as_client(shop: Shop, key: str, content: dict[str, Any]) -> Any:
    from orderapp.services.access import api_tokens

    token = api_tokens.create("till")
    return shop.submit(key, content, client_id=api_tokens.authenticate(token)).order.id


def test_every_system_is_told_whether_the_order_has_a_page_in_the_shop(empty_shop: Shop) -> None:
    """When it is placed, and when a task is taken."""
    told: list[tuple[str, bool]] = []
    stock, mail = Scripted("stock"), Scripted("letters", Part.NOTIFY)
    for system in (stock, mail):
        system.before = lambda _verb, effect: told.append((effect.order.number, effect.order.in_shop))
    shop = empty_shop.with_systems(stock, mail)
    own = [shop.submit().order.number for _ in range(3)]
    _as_client(shop, "key", shop.content())
    shop.work_until_quiet()
    assert len(told) == 8
    assert all(in_shop is (number in own) for number, in_shop in told)


def test_after_the_failure_the_key_answers_with_the_failed_order(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    first = shop.submit("key", content)
    again = shop.submit("key", content)
    assert first.result is again.result is Result.REFUSED
    assert (again.order, again.stopped) == (first.order, first.stopped)
    assert stock.verbs() == ["act"]


def test_twenty_threads_with_one_key_place_one_order(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    together = threading.Barrier(20)

    def submit() -> Any:
        with shop.app.app_context():
            together.wait()
            try:
                return shop.submit("key", content).order.id
            except InProgress:
                return InProgress

    with ThreadPoolExecutor(20) as pool:
        came = Counter(future.result() for future in [pool.submit(submit) for _ in range(20)])
    came.pop(InProgress, None)
    assert list(came) == [shop.the_order().id]
    assert shop.submit("key", content).result is Result.REPLAYED
    assert stock.held == stock.ever_done.total() == 1


def test_two_tabs_with_the_same_cart_at_the_same_moment_place_one_order(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    together = threading.Barrier(2)

    def submit(key: str) -> Any:
        with shop.app.app_context():
            together.wait()
            try:
                return shop.submit(key, content).order.id
            except ProbableDuplicate as error:
                return error

    with ThreadPoolExecutor(2) as pool:
        came = list(pool.map(submit, ("tab 1", "tab 2")))
    [duplicate] = [one for one in came if isinstance(one, ProbableDuplicate)]
    [placed] = [one for one in came if not isinstance(one, ProbableDuplicate)]
    assert duplicate.order_id == placed == shop.the_order().id
    assert stock.held == 1


def test_an_identical_cart_under_another_key_is_a_probable_duplicate_and_is_not_recorded(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    first = shop.submit("key 1", content)
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("key 2", content)
    assert caught.value.order_id == first.order.id
    assert (shop.order_count(), stock.held) == (1, 1)


@pytest.mark.parametrize(
    "change", [{"lines": [{"sku": "TEA-GREEN", "quantity": 3}]}, {"coupon": "WELCOME10"}, {"duplicate": "allow"}]
)
def test_another_cart_or_the_customers_word_is_no_duplicate(empty_shop: Shop, change: dict[str, Any]) -> None:
    shop, content = empty_shop.with_systems(Scripted("stock")), empty_shop.content()
    shop.submit("key 1", content)
    assert shop.submit("key 2", {**content, **change}).result is Result.CONFIRMED


def test_an_order_placed_in_spite_of_the_warning_counts_for_the_next_duplicate(empty_shop: Shop) -> None:
    shop, content = empty_shop.with_systems(Scripted("stock")), empty_shop.content()
    shop.submit("key 1", content)
    second = shop.submit("key 2", {**content, "duplicate": "allow"})
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("key 3", content)
    assert caught.value.order_id == second.order.id


def test_another_customers_identical_cart_is_no_duplicate(empty_shop: Shop) -> None:
    shop = empty_shop.with_systems(Scripted("stock"))
    assert [shop.submit().result for _ in range(2)] == [Result.CONFIRMED] * 2


@pytest.mark.parametrize("window_seconds", [0, 60])
def test_outside_the_window_an_identical_cart_is_a_new_order(empty_shop: Shop, window_seconds: int) -> None:
    shop = empty_shop.with_systems(Scripted("stock")).with_settings(duplicate_window_seconds=window_seconds)
    content = shop.content()
    shop.submit("key 1", content)
    shop.let_cart_locks_expire()
    assert shop.submit("key 2", content).result is Result.CONFIRMED


def test_a_failed_order_leaves_its_cart_free(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    assert shop.submit("key 1", content).order.state is OrderState.FAILED
    assert shop.submit("key 2", content).result is Result.CONFIRMED


def test_a_failed_order_leaves_no_other_cart_free(empty_shop: Shop) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    placed = shop.submit("key 1", content)
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    assert shop.submit().order.state is OrderState.FAILED
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("key 2", content)
    assert caught.value.order_id == placed.order.id


def test_a_duplicate_is_named_even_where_the_first_order_used_up_its_coupon(
    shop: Shop, sandbox: RunningSandbox
) -> None:
    sandbox.set("coupons", "ONCE", 1)
    content = {**shop.content(), "coupon": "ONCE"}
    placed = shop.submit("key 1", content)
    assert placed.result is Result.CONFIRMED
    with pytest.raises(ProbableDuplicate) as caught:
        shop.submit("key 2", content)
    assert (caught.value.order_id, shop.order_count()) == (placed.order.id, 1)
    meant = shop.submit("key 3", {**content, "duplicate": "allow"})
    assert (meant.result, meant.order.state) == (Result.REFUSED, OrderState.FAILED)


def test_a_cancelled_order_leaves_its_cart_free_once_nothing_is_held(empty_shop: Shop) -> None:
    shop, content = empty_shop.with_systems(Scripted("stock")), empty_shop.content()
    placed = shop.submit("key 1", content)
    shop.cancel(placed.order.id)
    with pytest.raises(ProbableDuplicate):
        shop.submit("key 2", content)
    shop.work_until_quiet()
    assert shop.submit("key 3", content).result is Result.CONFIRMED
