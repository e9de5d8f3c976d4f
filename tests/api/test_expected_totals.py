"""What the customer was shown and what it would cost, and the word on duplicates, of an order and of a retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orderapp.models import Product
from orderapp.services.db.transactions import writing
from tests.api.conftest import ApiClient, assert_problem, order_count
from tests.sandbox.running import RunningSandbox


def euros(value: int) -> dict[str, Any]:
    return {"value": value, "currency": "EUR"}


def set_price(sku: str, minor: int) -> None:
    with writing() as session:
        session.get_one(Product, sku).price_minor = minor


def test_the_expected_total_places_the_order(client: ApiClient) -> None:
    assert client.place(expected_total=euros(1580)).status_code == 201
    assert client.place(coupon="WELCOME10", expected_total=euros(1580 - 158)).status_code == 201


def test_another_total_is_told_with_lines_and_discounts_and_nothing_recorded(client: ApiClient) -> None:
    set_price("TEA-GREEN", 900)
    problem = assert_problem(client.place("k", coupon="WELCOME10", expected_total=euros(1422)), 409, "total_changed")
    assert problem["total"] == euros(1620)
    assert problem["lines"] == [{"sku": "TEA-GREEN", "name": "Green tea, 100 g", "quantity": 2, "price": euros(900)}]
    assert problem["discounts"] == [{"source": "coupon", "code": "WELCOME10", "amount": euros(180)}]
    assert order_count() == 0
    assert client.place("k", coupon="WELCOME10", expected_total=euros(1620)).status_code == 201


@pytest.mark.parametrize(
    ("expected", "refused"),
    [
        (euros(1580 - 158), False),
        (euros(1580), False),
        (euros(1581), True),
        ({"value": 1580 - 158, "currency": "USD"}, True),
    ],
)
def test_where_a_discount_cannot_be_asked_for_only_more_than_the_lines_cost_is_another_total(
    client: ApiClient, sandbox: RunningSandbox, expected: dict[str, Any], refused: bool
) -> None:
    sandbox.fault("coupon", "down")
    answer = client.place(coupon="WELCOME10", expected_total=expected)
    assert_problem(answer, *((409, "total_changed") if refused else (503, "system_unavailable")))


@pytest.mark.parametrize(
    "wrong",
    [
        "15.80",
        1580,
        None,
        {},
        {"value": 1580},
        {"value": True, "currency": "EUR"},
        {"value": 1.5, "currency": "EUR"},
        {"value": "1580", "currency": "EUR"},
        {"value": -1, "currency": "EUR"},
        {"value": 1580, "currency": "eur"},
        {"value": 1580, "currency": "EUR\n"},
        {"value": 1580, "currency": "EUR", "more": 1},
    ],
)
def test_an_expected_total_that_is_no_amount_is_a_400(client: ApiClient, wrong: Any) -> None:
    problem = assert_problem(client.place(expected_total=wrong), 400, "invalid_request")
    assert all(path.startswith("expected_total") for path in problem["errors"])
    assert order_count() == 0


@pytest.fixture
def failed(client: ApiClient) -> dict[str, Any]:
    """An order of one scale, which failed."""
    order: dict[str, Any] = assert_problem(client.place(sku="SCALE-01", quantity=1), 422, "out_of_stock")["order"]
    return order


def test_a_retry_is_compared_with_what_was_ordered(
    client: ApiClient, sandbox: RunningSandbox, failed: dict[str, Any]
) -> None:
    sandbox.set("stock", "SCALE-01", 5)
    set_price("SCALE-01", 1)
    retry = f"/orders/{failed['id']}/retry"
    problem = assert_problem(client.post(retry, "k", json={"expected_total": euros(1)}), 409, "total_changed")
    assert problem["total"] == failed["total"] == euros(4200)
    assert client.get(f"/orders/{failed['id']}").json["order"]["placements"] == 1
    answer = client.post(retry, "k", json={"expected_total": euros(4200)})
    assert (answer.status_code, answer.json["order"]["total"]) == (201, euros(4200))


def test_a_discount_that_shrank_is_asked_about(
    client: ApiClient, sandbox: RunningSandbox, run_tasks: Callable[[], None]
) -> None:
    answer = client.place(sku="SCALE-01", quantity=1, coupon="WELCOME10")
    order = assert_problem(answer, 422, "out_of_stock")["order"]
    run_tasks()
    sandbox.set("stock", "SCALE-01", 5)
    sandbox.change("UPDATE coupons SET discount = ? WHERE code = 'WELCOME10'", '{"kind": "percent", "value": 5}')
    retry = f"/orders/{order['id']}/retry"
    problem = assert_problem(client.post(retry, "k", json={"expected_total": order["total"]}), 409, "total_changed")
    assert problem["total"] == euros(4200 - 210)
    assert client.post(retry, "k", json={"expected_total": problem["total"]}).status_code == 201


def test_a_retry_is_a_probable_duplicate_like_any_order(
    client: ApiClient, sandbox: RunningSandbox, failed: dict[str, Any]
) -> None:
    sandbox.set("stock", "SCALE-01", 5)
    other = client.place(sku="SCALE-01", quantity=1).json["order"]
    retry = f"/orders/{failed['id']}/retry"
    assert assert_problem(client.post(retry, "k"), 409, "probable_duplicate")["order"] == other
    assert client.get(f"/orders/{failed['id']}").json["order"] == failed
    assert client.post(retry, "k", json={"duplicate": "allow"}).status_code == 201


@pytest.mark.parametrize("body", [{"lines": []}, [], {"duplicate": "maybe"}, {"coupon": "WELCOME10"}])
def test_what_a_retry_cannot_say_is_a_400(client: ApiClient, failed: dict[str, Any], body: Any) -> None:
    assert_problem(client.post(f"/orders/{failed['id']}/retry", json=body), 400, "invalid_request")


def test_a_retry_s_body_is_json_or_nothing(client: ApiClient, failed: dict[str, Any]) -> None:
    retry = f"/orders/{failed['id']}/retry"
    assert_problem(client.post(retry, data="duplicate=allow"), 415, "unsupported_media_type")
    assert_problem(client.post(retry, data="{", content_type="application/json"), 400, "invalid_request")
    assert_problem(client.post(retry), 422, "out_of_stock")


@pytest.mark.parametrize("how", ["place", "retry"])
def test_the_other_order_is_shown_to_the_client_that_placed_it_only(
    client: ApiClient, other_client: ApiClient, sandbox: RunningSandbox, how: str
) -> None:
    """The same customer's same cart, ordered by two clients: each is told of its own order, and of no other."""
    if how == "retry":
        failed = client.place(sku="SCALE-01", quantity=1).json["order"]["id"]
        sandbox.set("stock", "SCALE-01", 5)

    cart: dict[str, Any] = {"sku": "SCALE-01", "quantity": 1} if how == "retry" else {}
    theirs = other_client.place(**cart)
    assert theirs.status_code == 201
    ours = client.place(**cart)  # of the other's order it is no duplicate
    assert ours.status_code == 201
    for api, own, other in ((client, ours, theirs), (other_client, theirs, ours)):
        again = api.post(f"/orders/{failed}/retry") if how == "retry" and api is client else api.place(**cart)
        problem = assert_problem(again, 409, "probable_duplicate")
        assert problem["order"] == own.json["order"]
        assert other.json["order"]["id"] not in again.text
        assert other.json["order"]["number"] not in again.text
        assert api.get(f"/orders/{other.json['order']['id']}").status_code == 404
