"""A request that comes again after its order was archived is answered with 410, and places nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from orderapp.services.archive.archive import archive
from orderapp.services.db.audit import COMMAND_LINE
from tests.api.conftest import ApiClient, assert_problem, order_content, order_count
from tests.sandbox.running import RunningSandbox
from tests.services.archives import AGE, let_days_pass


@pytest.fixture
def let_be_archived(app: Flask, run_tasks: Callable[[], None], tmp_path: Path) -> Callable[[], None]:
    """Archive everything, as if it were long ago."""

    def move() -> None:
        run_tasks()
        let_days_pass()
        settings = app.extensions["orderapp.settings"]
        archive(AGE, tmp_path / "orders.jsonl", COMMAND_LINE, settings, lambda _: None, threading.Event())
        assert order_count() == 0

    return move


def test_the_key_of_an_archived_order_is_gone(
    client: ApiClient, other_client: ApiClient, let_be_archived: Callable[[], None]
) -> None:
    number = client.place("k").json["order"]["number"]
    let_be_archived()
    problem = assert_problem(client.place("k"), 410, "order_archived")
    assert problem["number"] == number
    assert number in problem["detail"]
    assert "order" not in problem
    assert order_count() == 0
    assert_problem(client.place("k", quantity=3), 422, "idempotency_key_reused")
    # To somebody else the key says nothing.
    assert other_client.place("k").status_code == 201


def test_so_is_the_key_of_a_retry(
    client: ApiClient, other_client: ApiClient, sandbox: RunningSandbox, let_be_archived: Callable[[], None]
) -> None:
    order = client.place("k", sku="SCALE-01").json["order"]
    retry = f"/orders/{order['id']}/retry"
    assert_problem(client.post(retry, "again"), 422, "out_of_stock")
    let_be_archived()
    assert assert_problem(client.post(retry, "again"), 410, "order_archived")["number"] == order["number"]
    assert_problem(client.post("/orders", "again", json=order_content()), 422, "idempotency_key_reused")
    # Under a new key there is nothing to retry, and others never learn that there was.
    assert_problem(client.post(retry, "new"), 404, "not_found")
    assert_problem(other_client.post(retry, "again"), 404, "not_found")
    assert_problem(client.get(f"/orders/{order['id']}"), 404, "not_found")


def test_the_description_tells_of_it(client: ApiClient) -> None:
    paths = client.get("/openapi.json").json["paths"]
    for path in ("/api/v1/orders", "/api/v1/orders/{order_id}/retry"):
        assert "order_archived" in paths[path]["post"]["responses"]["410"]["description"]
