"""Orders are counted before they are recorded: by whoever they count for, over a minute, an hour and a day."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from orderapp.domain.order_limits import DEFAULTS, WINDOWS_SECONDS, Source
from orderapp.domain.orders import Customer
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import InProgress, ProbableDuplicate, TooManyOrders
from orderapp.models import Order, RateCounter, Submission, db_now
from orderapp.services.db.transactions import reading, statements_nest, writing
from orderapp.services.orders.request_schema import read_order
from orderapp.services.placing.order_limits import sources_of_visitor
from orderapp.services.placing.place import Placed, Placing, Result
from orderapp.services.placing.submitters import Submitter
from tests.inputs import INPUTS
from tests.services.scripted import OneOfEach, answers
from tests.services.shop import Shop
from tests.services.watching import watching

HERE = (Source("network", "192.0.2.1"), Source("email", "ada@example.com"))
THREE = {**dict.fromkeys(DEFAULTS, (0, 0, 0)), "network": (3, 0, 0)}


@pytest.fixture
def shop(busy_shop: Shop) -> Shop:
    """A shop that takes three orders a minute from one place."""
    return busy_shop.with_settings(order_limits=THREE)


def place(shop: Shop, key: str = "", sources: tuple[Source, ...] = HERE, **content: Any) -> Placed:
    request = read_order(shop.content(**content), INPUTS)
    return Placing(shop.settings).submit(request, key or uuid.uuid4().hex, Submitter(sources=sources))


def recorded(model: type[Order] | type[Submission]) -> int:
    with reading() as session:
        return session.execute(select(func.count()).select_from(model)).scalar_one()


def counts() -> list[int]:
    with reading() as session:
        return list(session.scalars(select(RateCounter.count).order_by(RateCounter.count)))


def test_what_goes_beyond_a_limit_is_not_recorded_and_nobody_is_called(shop: Shop) -> None:
    for _ in range(3):
        assert place(shop).result is Result.CONFIRMED
    with pytest.raises(TooManyOrders) as refused:
        place(shop)
    assert 50 < refused.value.retry_after_seconds <= 60
    assert (recorded(Order), recorded(Submission), counts()) == (3, 3, [3])
    assert place(shop, sources=(Source("network", "192.0.2.2"),)).result is Result.CONFIRMED


def test_of_orders_at_the_same_moment_as_many_pass_as_are_allowed(shop: Shop) -> None:
    def one(number: int) -> bool:
        with shop.app.app_context():
            try:
                place(shop, f"key-{number}")
            except TooManyOrders:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(one, range(16)))
    assert passed.count(True) == 3
    assert (recorded(Order), counts()) == (3, [3])


def test_the_same_key_again_counts_once_and_is_answered_beyond_the_limit(shop: Shop) -> None:
    content = shop.content()
    customer = {"customer": content["customer"]}
    first = [place(shop, "again", **customer) for _ in range(5)]
    assert [one.result for one in first] == [Result.CONFIRMED] + [Result.REPLAYED] * 4
    assert counts() == [1]
    for _ in range(2):
        place(shop)
    assert place(shop, "again", **customer).result is Result.REPLAYED

    def one(_: int) -> Result:
        with shop.app.app_context():
            return place(shop, "again", **customer).result

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, range(8))) == {Result.REPLAYED}


def test_one_key_sent_at_the_same_moment_at_the_limit_is_one_order_and_no_refusal(shop: Shop) -> None:
    content = shop.content()
    shop = shop.with_settings(order_limits={**THREE, "network": (1, 0, 0)})

    def one(_: int) -> uuid.UUID | None:
        with shop.app.app_context():
            try:
                return place(shop, "one", customer=content["customer"]).order.id
            except InProgress as error:
                return error.order_id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(one, range(12)))) == 1
    assert (recorded(Order), counts()) == (1, [1])


def test_a_probable_duplicate_counts_for_nothing(shop: Shop) -> None:
    customer = shop.content()["customer"]
    place(shop, customer=customer)
    for _ in range(4):
        with pytest.raises(ProbableDuplicate):
            place(shop, customer=customer)
    assert counts() == [1]


def test_each_window_counts_for_itself_and_begins_anew(shop: Shop) -> None:
    shop = shop.with_settings(order_limits={**THREE, "network": (1, 2, 0), "email": (0, 0, 9)})
    place(shop)
    with pytest.raises(TooManyOrders) as refused:
        place(shop)
    assert refused.value.retry_after_seconds <= WINDOWS_SECONDS[0]
    minute = RateCounter.window_ends_at < db_now(WINDOWS_SECONDS[0] + 1)
    with writing() as session:
        session.execute(update(RateCounter).where(minute).values(window_ends_at=db_now(-1)))
    place(shop)
    with pytest.raises(TooManyOrders) as refused:
        place(shop)
    assert refused.value.retry_after_seconds > WINDOWS_SECONDS[0]
    assert counts() == [1, 2, 2]


def test_an_order_needs_no_statement_more_where_one_can_do_all(shop: Shop) -> None:
    if not statements_nest():
        pytest.skip("SQLite has a statement for each thing")
    unlimited = shop.with_settings(order_limits=dict.fromkeys(DEFAULTS, (0, 0, 0)))
    seen = []
    for one in (unlimited, shop.with_settings(order_limits=DEFAULTS)):
        place(one)
        sent: list[str] = []
        with watching(statement=sent.append):
            place(one)
        seen.append(len(sent))
    assert seen[0] == seen[1]


def failed_order(shop: Shop, systems: OneOfEach) -> uuid.UUID:
    """Return an order that the stock refused, and that counts for nobody."""
    systems.stock.acts.append(answers(Outcome.REFUSED, "out_of_stock"))
    order = place(shop, sources=()).order
    shop.work_until_quiet()
    return order.id


def test_retries_count_as_orders_do_and_call_nobody_beyond_a_limit(shop: Shop, systems: OneOfEach) -> None:
    order_id = failed_order(shop, systems)
    for tried in range(1, 4):
        systems.stock.acts.append(answers(Outcome.REFUSED, "out_of_stock"))
        assert again(shop, order_id).result is Result.REFUSED
        shop.work_until_quiet()
        assert counts() == [tried]
    calls = len(systems.stock.calls)
    with pytest.raises(TooManyOrders) as refused:
        again(shop, order_id)
    assert 50 < refused.value.retry_after_seconds <= 60
    with pytest.raises(TooManyOrders):
        place(shop)
    assert (len(shop.placements(order_id)), counts(), len(systems.stock.calls)) == (4, [3], calls)
    assert again(shop, order_id, sources=(Source("network", "192.0.2.2"),)).result is Result.CONFIRMED


def test_of_retries_at_the_same_moment_as_many_pass_as_are_allowed(shop: Shop, systems: OneOfEach) -> None:
    failed = [failed_order(shop, systems) for _ in range(8)]

    def one(order_id: uuid.UUID) -> bool:
        with shop.app.app_context():
            try:
                again(shop, order_id)
            except TooManyOrders:
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(one, failed))
    assert passed.count(True) == 3
    assert (shop.orders_in(OrderState.CONFIRMED), counts()) == (3, [3])


def test_one_retry_pressed_many_times_counts_once_and_is_answered_at_the_limit(shop: Shop, systems: OneOfEach) -> None:
    shop = shop.with_settings(order_limits={**THREE, "network": (1, 0, 0)})
    order_id = failed_order(shop, systems)

    def one(_: int) -> Result | str:
        with shop.app.app_context():
            try:
                return again(shop, order_id, "its key").result
            except InProgress as error:
                return error.code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(one, range(8))) <= {Result.CONFIRMED, Result.REPLAYED, "in_progress"}
    assert again(shop, order_id, "its key").result is Result.REPLAYED
    assert (counts(), len(shop.placements(order_id))) == ([1], 2)


def again(shop: Shop, order_id: uuid.UUID, key: str = "", sources: tuple[Source, ...] = HERE) -> Placed:
    return Placing(shop.settings).retry(order_id, key or uuid.uuid4().hex, Submitter(sources=sources))


def test_whom_an_order_of_the_shop_counts_for() -> None:
    ada = Customer("Ada", "Ada+Tea@Example.com", "+4930901820")
    named = {one.kind: one.name for one in sources_of_visitor("2001:db8::7", "s", ada)}
    assert named == {"network": "2001:db8::/64", "session": "s", "email": "ada@example.com", "phone": "+4930901820"}
    unknown = {one.kind for one in sources_of_visitor(None, None, Customer("Ada", "+@example.com"))}
    assert unknown == {"email"}
