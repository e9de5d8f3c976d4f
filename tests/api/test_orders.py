"""Every row of the contract's table of answers, and the shape of an order."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from orderapp.services.access import api_tokens
from orderapp.services.engine.recovery import recover
from orderapp.services.orders.request_schema import read_order
from orderapp.services.placing.opening import Opening, Submitted
from orderapp.services.placing.preflight import look_up
from orderapp.services.placing.pricing import Offered, price
from orderapp.services.placing.submitters import Submitter
from orderapp.services.placing.tx1 import open_order
from orderapp.services.resilience.admission import Admission
from orderapp.services.saga.content_hashes import hash_cart, hash_order
from orderapp.services.saga.submissions import client_scope
from tests.api.conftest import ApiClient, assert_problem, order_content, order_count
from tests.inputs import INPUTS
from tests.sandbox.running import RunningSandbox

RunTasks = Callable[[], None]


def test_products_are_listed_with_their_prices(client: ApiClient) -> None:
    answer = client.get("/products")

    assert answer.status_code == 200
    assert {"sku": "TEA-GREEN", "name": "Green tea, 100 g", "price": {"value": 790, "currency": "EUR"}} in answer.json[
        "products"
    ]


def test_a_confirmed_order_is_answered_with_201_and_the_whole_order(client: ApiClient, sandbox: RunningSandbox) -> None:
    customer = {"phone": "+49 30 901820", "member_ref": "M-1001"}
    answer = client.place(customer=customer, coupon="WELCOME10", benefit="FREE-GIFT")

    assert answer.status_code == 201, answer.text
    assert answer.json.keys() == {"order"}
    order = answer.json["order"]
    assert answer.headers["Location"] == f"/api/v1/orders/{order['id']}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", order.pop("created_at"))
    tasks = {(task.pop("system"), task["kind"]): task for task in order.pop("tasks")}
    assert tasks.keys() == {("settlement", "settle"), ("email", "notify"), ("sms", "notify")}
    assert all(task.keys() == {"kind", "state", "attempts"} for task in tasks.values())
    assert sandbox.held(order["number"]) == {"inventory": 1, "coupon": 1, "membership": 1}
    assert sorted(order.pop("steps"), key=lambda step: step["system"]) == [
        {"system": "coupon", "state": "done"},
        {"system": "inventory", "state": "done"},
        {"system": "membership", "state": "done"},
    ]
    euros: Callable[[int], dict[str, Any]] = lambda value: {"value": value, "currency": "EUR"}  # noqa: E731
    assert order == {
        "id": order["id"],
        "number": order["number"],
        "state": "confirmed",
        "placements": 1,
        "lines": [{"sku": "TEA-GREEN", "name": "Green tea, 100 g", "quantity": 2, "price": euros(790)}],
        "discounts": [
            {"source": "coupon", "code": "WELCOME10", "amount": euros(158)},
            {"source": "membership", "code": "FREE-GIFT", "amount": euros(300)},
        ],
        "payments": [],
        "total": euros(1580 - 158 - 300),
    }


def test_the_same_key_and_content_again_is_answered_with_the_same_order_and_said_to_be_replayed(
    client: ApiClient, sandbox: RunningSandbox
) -> None:
    first = client.place("key-1")
    again = client.place("key-1")

    assert "Idempotent-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json == first.json
    assert sandbox.held(first.json["order"]["number"]) == {"inventory": 1}


def test_a_submission_without_a_key_is_refused_and_nothing_recorded(client: ApiClient) -> None:
    assert_problem(client.place(""), 400, "idempotency_key_missing")
    assert order_count() == 0


@pytest.mark.parametrize("key", ["k" * 65, "schl\u00fcssel", "tab\there", "a,b"])
def test_a_key_that_cannot_be_one_is_refused(client: ApiClient, key: str) -> None:
    problem = assert_problem(client.place(key), 400, "invalid_request")

    assert problem["errors"].keys() == {"Idempotency-Key"}
    assert order_count() == 0


@pytest.mark.parametrize("key", ["k", "k" * 64, 'with "quotes" and blanks ~'])
def test_any_printable_key_of_up_to_64_characters_is_accepted(client: ApiClient, key: str) -> None:
    assert client.place(key).status_code == 201
    assert client.place(key).status_code == 200


def test_what_is_wrong_is_told_field_by_field_and_nothing_recorded(client: ApiClient) -> None:
    content = order_content(quantity=0, customer={"email": "nobody"}, price=1)
    problem = assert_problem(client.post("/orders", json=content), 400, "invalid_request")

    assert problem["errors"].keys() == {"customer.email", "lines.0.quantity", "price"}
    problem = assert_problem(client.place(sku="NO-SUCH"), 400, "invalid_request")
    assert problem["errors"].keys() == {"lines.0.sku"}
    assert order_count() == 0


def test_the_same_key_while_it_is_being_worked_on_is_told_to_ask_again(
    client: ApiClient, app: Flask, token: str, sandbox: RunningSandbox
) -> None:
    sandbox.fault("inventory", "slow", seconds=0.9, scope="do")
    answers: list[int] = []
    first = threading.Thread(target=lambda: answers.append(ApiClient(app.test_client(), token).place("k").status_code))
    first.start()
    while not order_count():
        time.sleep(0.01)

    answer = client.place("k")
    first.join()

    assert_problem(answer, 409, "in_progress")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert answers == [201]


def test_an_identical_cart_under_another_key_is_a_probable_duplicate_unless_it_is_meant(client: ApiClient) -> None:
    first = client.place()
    problem = assert_problem(client.place(), 409, "probable_duplicate")

    assert problem["order"] == first.json["order"]
    assert client.place(duplicate="allow").status_code == 201
    assert order_count() == 2


def test_another_customer_or_another_client_may_order_the_same(client: ApiClient, other_client: ApiClient) -> None:
    assert client.place("k").status_code == 201
    assert client.place(customer={"email": "grace@example.com"}).status_code == 201
    assert other_client.place("k").status_code == 201


def test_the_same_key_with_other_content_is_refused(client: ApiClient) -> None:
    assert client.place("k").status_code == 201
    problem = assert_problem(client.place("k", quantity=3), 422, "idempotency_key_reused")
    assert "order" not in problem
    assert order_count() == 1


@pytest.mark.parametrize(
    ("content", "code", "system"),
    [
        ({"sku": "SCALE-01"}, "out_of_stock", "inventory"),
        ({"coupon": "USEDUP"}, "coupon_used_up", "coupon"),
        ({"coupon": "EXPIRED"}, "coupon_expired", "coupon"),
        ({"customer": {"member_ref": "M-1002"}, "benefit": "FREE-GIFT"}, "benefit_exhausted", "membership"),
    ],
)
def test_a_refusal_is_answered_with_the_systems_own_code(
    client: ApiClient, sandbox: RunningSandbox, content: dict[str, Any], code: str, system: str
) -> None:
    problem = assert_problem(client.place("k", **content), 422, code)

    assert problem["system"] == system
    assert problem["order"]["state"] == "failed"
    assert sandbox.held(problem["order"]["number"]) == {}
    again = assert_problem(client.place("k", **content), 422, code)
    assert (again["order"], again["system"]) == (problem["order"], system)


def test_an_order_refused_half_way_is_compensating_and_later_failed(
    client: ApiClient, sandbox: RunningSandbox, run_tasks: RunTasks
) -> None:
    answer = client.place(customer={"member_ref": "M-1003"}, benefit="VIP5")
    order = assert_problem(answer, 422, "member_suspended")["order"]

    assert order["state"] == "compensating"
    assert {"system": "inventory", "state": "done"} in order["steps"]
    run_tasks()
    order = client.get(f"/orders/{order['id']}").json["order"]
    assert order["state"] == "failed"
    assert {"system": "inventory", "state": "compensated"} in order["steps"]
    assert sandbox.held(order["number"]) == {}


def test_a_system_whose_outcome_is_unknown_is_unavailable_and_the_order_compensating(
    client: ApiClient, sandbox: RunningSandbox, run_tasks: RunTasks
) -> None:
    sandbox.fault("inventory", "error_after", scope="do")
    answer = client.place("k")
    problem = assert_problem(answer, 503, "system_unavailable")

    assert int(answer.headers["Retry-After"]) > 0
    assert (problem["system"], problem["order"]["state"]) == ("inventory", "compensating")
    run_tasks()
    later = assert_problem(client.place("k"), 503, "system_unavailable")
    assert (later["order"]["id"], later["order"]["state"]) == (problem["order"]["id"], "failed")
    assert sandbox.held(problem["order"]["number"]) == {}


def test_a_system_that_cannot_be_reached_is_unavailable_and_nothing_is_held(
    client: ApiClient, sandbox: RunningSandbox
) -> None:
    sandbox.stop()
    problem = assert_problem(client.place(), 503, "system_unavailable")

    assert (problem["system"], problem["order"]["state"]) == ("inventory", "failed")


def test_an_order_is_shown_to_the_client_that_placed_it(client: ApiClient) -> None:
    placed = client.place().json

    answer = client.get(f"/orders/{placed['order']['id']}")

    assert (answer.status_code, answer.json) == (200, placed)


def test_a_failed_order_is_placed_again_by_its_retry(
    client: ApiClient, sandbox: RunningSandbox, run_tasks: RunTasks
) -> None:
    sandbox.fault("inventory", "error_after", scope="do")
    order = assert_problem(client.place("first"), 503, "system_unavailable")["order"]
    retry = f"/orders/{order['id']}/retry"
    held = client.post(retry)
    assert_problem(held, 409, "compensation_in_progress")
    assert int(held.headers["Retry-After"]) > 0
    run_tasks()
    assert_problem(client.post(retry, "second"), 503, "system_unavailable")
    sandbox.clear_faults()
    run_tasks()

    answer = client.post(retry, "third")

    assert answer.status_code == 201, answer.text
    again = answer.json["order"]
    assert (again["id"], again["number"], again["state"], again["placements"]) == (
        order["id"],
        order["number"],
        "confirmed",
        3,
    )
    assert sandbox.held(order["number"]) == {"inventory": 1}
    replayed = client.post(retry, "third")
    assert (replayed.status_code, replayed.headers["Idempotent-Replayed"], replayed.json) == (200, "true", answer.json)
    assert client.place("first").json == answer.json
    assert_problem(client.post(retry), 409, "wrong_state")
    assert_problem(client.post(retry, ""), 400, "idempotency_key_missing")
    assert_problem(client.post(retry, "first"), 422, "idempotency_key_reused")


def test_an_earlier_key_is_in_progress_while_the_order_is_tried_again(
    client: ApiClient, app: Flask, token: str, sandbox: RunningSandbox
) -> None:
    order = assert_problem(client.place("first", sku="SCALE-01"), 422, "out_of_stock")["order"]
    sandbox.set("stock", "SCALE-01", 5)
    sandbox.fault("inventory", "slow", seconds=0.9, scope="do")
    retrying = threading.Thread(
        target=lambda: ApiClient(app.test_client(), token).post(f"/orders/{order['id']}/retry", "second")
    )
    retrying.start()
    while client.get(f"/orders/{order['id']}").json["order"]["state"] != "placing":
        time.sleep(0.01)

    answer = client.place("first", sku="SCALE-01")
    retrying.join()

    assert_problem(answer, 409, "in_progress")
    assert client.place("first", sku="SCALE-01").status_code == 200


def test_a_confirmed_order_is_cancelled_by_giving_everything_back(
    client: ApiClient, sandbox: RunningSandbox, run_tasks: RunTasks
) -> None:
    order = client.place("k", coupon="WELCOME10").json["order"]
    run_tasks()
    assert sandbox.held(order["number"])["settlement"] == 1

    answer = client.post(f"/orders/{order['id']}/cancel", "")

    assert (answer.status_code, answer.json["order"]["state"]) == (202, "compensating")
    run_tasks()
    assert client.get(f"/orders/{order['id']}").json["order"]["state"] == "cancelled"
    assert {"inventory", "coupon", "settlement"}.isdisjoint(sandbox.held(order["number"]))
    again = client.post(f"/orders/{order['id']}/cancel", "")
    assert (again.status_code, again.json["order"]["state"]) == (202, "cancelled")
    assert client.place("k", coupon="WELCOME10").json["order"]["state"] == "cancelled"


def test_an_order_that_is_not_confirmed_cannot_be_cancelled(client: ApiClient) -> None:
    order = assert_problem(client.place(sku="SCALE-01"), 422, "out_of_stock")["order"]

    assert_problem(client.post(f"/orders/{order['id']}/cancel", ""), 409, "wrong_state")
    assert client.get(f"/orders/{order['id']}").json["order"] == order


@pytest.fixture
def died_half_way(app: Flask, token: str) -> str:
    """Return the key of a submission whose process died after its intents were recorded."""
    client_id = api_tokens.authenticate(token)
    assert client_id is not None
    request, scope = read_order(order_content(), INPUTS), client_scope(client_id)
    settings = app.extensions["orderapp.settings"]
    inventory = settings.systems["inventory"]
    submitted = Submitted.of(request, Submitter(client_id), "k", hash_order(request), settings)
    priced = price(request, look_up(scope, "k", ["TEA-GREEN"]).products)
    cart_hash = hash_cart(scope, request)
    open_order(Opening(submitted, request, cart_hash, priced, Offered(), (inventory,), Admission(), 0, 0))
    time.sleep(0.01)  # the lease ran out at once, which the database's clock tells in milliseconds
    return "k"


def test_a_submission_that_died_half_way_goes_on_with_the_same_key(
    client: ApiClient, sandbox: RunningSandbox, died_half_way: str
) -> None:
    answer = client.place(died_half_way)

    assert (answer.status_code, answer.json["order"]["state"]) == (201, "confirmed")
    assert order_count() == 1
    assert sandbox.held(answer.json["order"]["number"]) == {"inventory": 1}


def test_after_the_check_back_its_answer_is_that_of_the_failed_order(
    client: ApiClient, app: Flask, sandbox: RunningSandbox, run_tasks: RunTasks, died_half_way: str
) -> None:
    assert recover(app.extensions["orderapp.settings"]).placements == 1

    answer = client.place(died_half_way)

    problem = assert_problem(answer, 503, "system_unavailable")
    assert (problem["system"], problem["order"]["state"]) == (None, "compensating")
    assert int(answer.headers["Retry-After"]) > 0
    run_tasks()
    later = assert_problem(client.place(died_half_way), 503, "system_unavailable")
    assert later["order"]["state"] == "failed"
    assert sandbox.held(problem["order"]["number"]) == {}
