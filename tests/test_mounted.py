"""The product mounted under a path: nothing leads out of it, and everything still leads where it should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client, TestResponse

from orderapp import create_app
from orderapp.extensions import db
from orderapp.models import Role
from orderapp.services.access import api_tokens
from orderapp.services.access.accounts import create_staff
from orderapp.services.orders.product_import import import_products
from tests.sandbox.running import RunningSandbox
from tests.servers.tables import create_tables

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"
LEADS = re.compile(r'(?:href|action|formaction|src|data-follow)="(/[^"]*)"')


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    with RunningSandbox(tmp_path / "sandbox") as sandbox:
        settings = {"ORDERAPP_MODE": "development", "SECRET_KEY": "3f" * 32, **sandbox.environ()}
        app = create_app({**settings, "DATABASE_URL": f"sqlite:///{tmp_path}/o.db"})
        with app.app_context():
            create_tables(db.engine)
            import_products([{"sku": "TEA-GREEN", "name": "Tea", "price": {"value": 790, "currency": "EUR"}}])
            create_staff("ada@example.com", Role.ADMIN, PASSWORD)
        yield app
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> Client:
    return Client(DispatcherMiddleware(NotFound(), {"/shop/tea": app}))


def led_to(response: TestResponse) -> str:
    assert response.status_code in (303, 302, 308), response.text
    assert response.location.startswith("/shop/tea/"), response.location
    return response.location


def page(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    assert all(lead.startswith("/shop/tea/") for lead in LEADS.findall(response.text)), path
    return response.text


def hidden(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', text))


def ordered(client: Client) -> str:
    fields = hidden(page(client, "/shop/tea/checkout"))
    fields |= {"quantity:TEA-GREEN": "1", "name": "Ada", "email": "ada@example.com"}
    return led_to(client.post("/shop/tea/orders", data=fields))


def logged_in(client: Client, wanted: str) -> str:
    form = led_to(client.get(wanted))
    fields = hidden(page(client, form)) | {"email": "ada@example.com", "password": PASSWORD}
    (action,) = re.findall(r'<form class="card" method="post" action="([^"]+)"', client.get(form).text)
    return led_to(client.post(action.replace("&amp;", "&"), data=fields))


def test_a_customer_orders(client: Client) -> None:
    order = ordered(client)
    assert "Your order is confirmed" in page(client, order)
    page(client, f"{order}/status")
    assert client.get("/shop/tea/nowhere").status_code == 404


def test_staff_log_in_and_come_where_they_wanted_to(client: Client) -> None:
    assert led_to(client.get("/shop/tea/admin")) == "/shop/tea/admin/"
    assert logged_in(client, "/shop/tea/admin/orders/?search=ada") == "/shop/tea/admin/orders/?search=ada"
    for path in ("", "orders/", "tasks/?state=failed", "mismatches/", "audit/", "staff/", "tokens/"):
        page(client, f"/shop/tea/admin/{path}")


def test_acts_of_staff_lead_back_to_the_page_they_were_done_on(client: Client) -> None:
    ordered(client)
    logged_in(client, "/shop/tea/admin/")
    (task, *_) = re.findall(r'"/shop/tea(/admin/tasks/\d+)"', page(client, "/shop/tea/admin/tasks/?state=waiting"))
    fields = hidden(page(client, f"/shop/tea{task}")) | {"reason": "to see"}
    assert fields["back"] == task
    assert led_to(client.post("/shop/tea/admin/tasks/requeue", data=fields)) == f"/shop/tea{task}"


def test_an_api_client_finds_its_order_where_it_is_told(client: Client, app: Flask) -> None:
    with app.app_context():
        token = api_tokens.create("till")
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "till-1-order-1"}
    content = {"customer": {"name": "Ada", "email": "a@example.com"}, "lines": [{"sku": "TEA-GREEN", "quantity": 1}]}
    placed = client.post("/shop/tea/api/v1/orders", json=content, headers=headers)
    assert placed.status_code == 201, placed.text
    assert client.get(placed.headers["Location"], headers=headers).status_code == 200
    assert client.get("/shop/tea/api/v1/openapi.json").json["servers"] == [{"url": "/shop/tea"}]  # type: ignore[index]
