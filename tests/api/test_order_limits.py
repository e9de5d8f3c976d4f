"""What the shop allows one client, as the client meets it: the setting ORDERS_PER_CLIENT, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.api.conftest import ApiClient, assert_problem, order_count

TWO_A_MINUTE = {"ORDERS_PER_CLIENT": "2,0,0"}
RunTasks = Callable[[], None]


def metric(app: Flask) -> str:
    sample = 'orderapp_refusals_total{area="api",code="too_many_orders",status="429"} '
    lines = app.test_client().get("/metrics").text.splitlines()
    return next((line.removeprefix(sample) for line in lines if line.startswith(sample)), "none")


@pytest.mark.parametrize("more_settings", [TWO_A_MINUTE])
def test_a_client_s_orders_beyond_its_limit_are_refused_and_others_are_not(
    app: Flask, client: ApiClient, other_client: ApiClient
) -> None:
    first = client.place("first", customer={"email": "one@example.com"})
    assert [first.status_code, client.place(customer={"email": "two@example.com"}).status_code] == [201, 201]
    refused = client.place("third", customer={"email": "three@example.com"})
    assert "repeat this one later, with its key" in assert_problem(refused, 429, "too_many_orders")["detail"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert (order_count(), metric(app)) == (2, "1.0")
    assert client.place("first", customer={"email": "one@example.com"}).status_code == 200
    assert other_client.place().status_code == 201


@pytest.mark.parametrize("more_settings", [TWO_A_MINUTE])
def test_a_client_s_retries_count_as_its_orders_do(app: Flask, client: ApiClient, run_tasks: RunTasks) -> None:
    order = assert_problem(client.place(sku="SCALE-01"), 422, "out_of_stock")["order"]
    retry = f"/orders/{order['id']}/retry"
    assert_problem(client.post(retry, "again"), 422, "out_of_stock")
    run_tasks()
    refused = client.post(retry)
    assert_problem(refused, 429, "too_many_orders")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert client.get(f"/orders/{order['id']}").json["order"]["placements"] == 2
    assert_problem(client.post(retry, "again"), 422, "out_of_stock")
    assert_problem(client.place(), 429, "too_many_orders")
    assert metric(app) == "2.0"


def test_by_default_clients_are_trusted(client: ApiClient) -> None:
    assert {client.place(quantity=number).status_code for number in range(1, 9)} == {201}
