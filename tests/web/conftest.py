"""The shop against the sandbox's systems, on a database of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from orderapp.models import Product, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.placing.under_way import start_telling_steps
from tests.sandbox.running import RunningSandbox
from tests.servers.applications import run_waiting_tasks, running_application
from tests.servers.whole_answers import served

PRODUCTS = [("TEA-GREEN", "Green tea, 100 g", 1250), ("POT-CAST", "Cast iron pot", 8900), ("SCALE-01", "Scale", 4500)]
VARIABLES = {
    "ORDERAPP_MODE": "development",
    "SECRET_KEY": "a secret for tests alone, and long enough",
    "PUBLIC_URL": "http://shop.localhost",
    "RETRY_BASE_SECONDS": "0.01",
    "RETRY_MAX_SECONDS": "0.02",
    **{f"{system}_TIMEOUT": "3,3" for system in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS")},
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """Stand-ins for all systems; an answer that is late counts as lost at once."""
    with RunningSandbox(tmp_path / "sandbox", coupon_late_seconds=0) as running:
        yield running


@pytest.fixture
def app(sandbox: RunningSandbox) -> Iterator[Flask]:
    """The application with three products on sale; the scale is out of stock."""
    with running_application(VARIABLES, sandbox.environ()) as app:
        with writing() as session:
            session.add_all(
                Product(sku=sku, name=name, price_minor=price, currency="EUR", updated_at=db_now())
                for sku, name, price in PRODUCTS
            )
        yield app


@pytest.fixture
def shop_url(app: Flask) -> Iterator[str]:
    """Where the shop runs, with several requests at a time."""
    start_telling_steps(app)
    with served(app) as url:
        yield url


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript."""
    return app.test_client()


@pytest.fixture
def run_tasks(app: Flask) -> Callable[[], None]:
    """Do what workers do until nothing is waiting."""
    return partial(run_waiting_tasks, app)


@pytest.fixture
def new_form(client: FlaskClient) -> Callable[..., dict[str, str]]:
    """Open the order form and fill it in; keywords replace what is typed, `quantity:SKU` goes in as a mapping."""

    def fill(quantities: Mapping[str, str] | None = None, **typed: str) -> dict[str, str]:
        wanted = quantities or {"TEA-GREEN": "2"}
        put(client, wanted)
        fields = hidden_fields(client.get("/checkout"))
        fields.update(name="Ada Lovelace", email="ada@example.com")
        fields.update({f"quantity:{sku}": text for sku, text in wanted.items()})
        return {**fields, **typed}

    return fill


def put(client: FlaskClient, quantities: Mapping[str, str]) -> None:
    """Put exactly these products into the basket, as far as their quantities are numbers."""
    emptied = {f"quantity:{sku}": "0" for sku, *_ in PRODUCTS}
    chosen = {f"quantity:{sku}": text for sku, text in quantities.items()}
    client.post("/basket", data={**hidden_fields(client.get("/")), **emptied, **chosen})


def hidden_fields(page: TestResponse) -> dict[str, str]:
    """Return the names and values of a page's hidden fields."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
