"""The API against the sandbox's systems, on a database of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from orderapp.models import Order, Product, db_now
from orderapp.services.access import api_tokens
from orderapp.services.db.transactions import reading, writing
from tests.sandbox.running import RunningSandbox
from tests.servers.applications import run_waiting_tasks, running_application

PRODUCTS = [("TEA-GREEN", "Green tea, 100 g", 790), ("POT-CAST", "Cast-iron teapot", 5900), ("SCALE-01", "Scale", 4200)]
VARIABLES = {
    "ORDERAPP_MODE": "development",
    "SECRET_KEY": "a secret for tests alone, and long enough",
    "RETRY_BASE_SECONDS": "0.01",
    "RETRY_MAX_SECONDS": "0.02",
    **{f"{system}_TIMEOUT": "3,3" for system in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS")},
}
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id"}


class ApiClient:
    """A program that uses the API with a token; without one it sends no Authorization."""

    def __init__(self, http: FlaskClient, token: str = "") -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.keys = (f"key-{number}" for number in itertools.count(1))

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.http.get(f"/api/v1{path}", headers=self.headers, **kwargs)

    def post(self, path: str, key: str | None = None, headers: Mapping[str, str] = {}, **kwargs: Any) -> TestResponse:
        """Post under a key: a new one if it is None, without any if it is empty."""
        key = next(self.keys) if key is None else key
        sent = {**self.headers, **({"Idempotency-Key": key} if key else {}), **headers}
        return self.http.post(f"/api/v1{path}", headers=sent, **kwargs)

    def place(self, key: str | None = None, **content: Any) -> TestResponse:
        return self.post("/orders", key, json=order_content(**content))


def order_content(
    sku: str = "TEA-GREEN", quantity: int = 2, customer: Mapping[str, Any] = {}, **more: Any
) -> dict[str, Any]:
    """Return the content of a submission; keywords add members or replace them."""
    ada = {"name": "Ada Lovelace", "email": "ada@example.com", **customer}
    return {"customer": ada, "lines": [{"sku": sku, "quantity": quantity}], **more}


def assert_problem(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Check an error's answer for status, code and form, and return its body."""
    assert (response.status_code, response.content_type) == (status, "application/problem+json"), response.text
    body: dict[str, Any] = response.get_json(force=True)
    assert body.keys() >= PROBLEM_MEMBERS
    assert (body["code"], body["status"]) == (code, status)
    assert body["request_id"] == response.headers["X-Request-Id"]
    return body


def order_count() -> int:
    """Return how many orders are recorded."""
    with reading() as session:
        return len(session.scalars(select(Order.id)).all())


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """Stand-ins for all systems; a redemption that was cut off appears at once or never."""
    with RunningSandbox(tmp_path / "sandbox", coupon_late_seconds=0) as running:
        yield running


@pytest.fixture
def more_settings() -> dict[str, str]:
    """Settings beside the usual ones; a test's parameters replace them."""
    return {}


@pytest.fixture
def app(sandbox: RunningSandbox, more_settings: dict[str, str]) -> Iterator[Flask]:
    """The application with three products on sale; the scale is out of stock."""
    with running_application({**VARIABLES, **more_settings}, sandbox.environ()) as app:
        with writing() as session:
            session.add_all(
                Product(sku=sku, name=name, price_minor=price, currency="EUR", updated_at=db_now())
                for sku, name, price in PRODUCTS
            )
        yield app


@pytest.fixture
def token(app: Flask) -> str:
    """The first client's token."""
    return api_tokens.create("webshop")


@pytest.fixture
def client(app: Flask, token: str) -> ApiClient:
    """The first client."""
    return ApiClient(app.test_client(), token)


@pytest.fixture
def other_client(app: Flask) -> ApiClient:
    """A second client, with a token of its own."""
    return ApiClient(app.test_client(), api_tokens.create("marketplace"))


@pytest.fixture
def anonymous(app: Flask) -> ApiClient:
    """Somebody without a token."""
    return ApiClient(app.test_client())


@pytest.fixture
def run_tasks(app: Flask) -> Callable[[], None]:
    """Do what workers do until nothing is waiting."""
    return partial(run_waiting_tasks, app)
