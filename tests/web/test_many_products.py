"""A form is as large as its catalogue: 8,000 products can be ordered from, with and without a script."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

from orderapp.models import Product, db_now
from orderapp.services.db.transactions import writing
from tests.web.conftest import hidden_fields

MANY = 8000


def sell(skus: list[str]) -> None:
    rows = [{"sku": sku, "name": f"Tea {sku}", "price_minor": 790, "currency": "EUR"} for sku in skus]
    with writing() as session:
        session.execute(insert(Product).values(updated_at=db_now()), rows)


def test_an_order_from_many_products(app: Flask, client: FlaskClient) -> None:
    skus = [f"A-RATHER-LONG-ARTICLE-NUMBER-OF-A-WAREHOUSE-{number:05}" for number in range(MANY)]
    sell(skus)
    fields = hidden_fields(client.get("/")) | {f"quantity:{one}": "0" for one in skus}
    fields |= {"quantity:TEA-GREEN": "1", "name": "Ada Lovelace", "email": "ada@example.com"}
    shown = client.post("/total", data=fields)
    assert shown.status_code == 200
    assert client.post("/orders", data=fields).status_code == 303


@pytest.mark.parametrize("path", ["/orders", "/total", "/admin/login"])
def test_what_the_catalogue_does_not_need_is_still_too_much(client: FlaskClient, path: str) -> None:
    assert client.post(path, data={"name": "x" * 300_000}).status_code == 413
