"""A replaced SECRET_KEY: what the old one signed is still believed, nothing new is signed with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from orderapp import create_app
from orderapp.domain.references import page_reference
from orderapp.extensions import db
from orderapp.services.orders.product_import import import_products
from orderapp.web.order_reference import number_in, reference_of, retry_key, retry_key_of
from tests.servers.tables import create_tables
from tests.web.conftest import hidden_fields

OLD, NEWER, NEWEST = "0f" * 32, "1e" * 32, "2d" * 32


def made(tmp_path: Path, **keys: str) -> Flask:
    app = create_app({"DATABASE_URL": f"sqlite:///{tmp_path}/o.db", **keys})
    with app.app_context():
        create_tables(db.engine)
        import_products([{"sku": "TEA", "name": "Tea", "price": {"value": 790, "currency": "EUR"}}])
        db.engine.dispose()
    return app


def posted(before: Flask, after: Flask) -> bool:
    """Open the form, replace the key, send the form; return whether it is taken."""
    first = before.test_client()
    page = first.get("/checkout")
    cookie = page.headers["Set-Cookie"].partition(";")[0].partition("=")
    then: FlaskClient = after.test_client()
    then.set_cookie(cookie[0], cookie[2])
    return then.post("/total", data=hidden_fields(page)).status_code == 200


def test_links_and_retries_of_an_old_key_live_and_new_ones_have_the_new_key(tmp_path: Path) -> None:
    with made(tmp_path, SECRET_KEY=OLD).app_context():
        retry = retry_key("7K3M9-QXZ2F", 2)
    with made(tmp_path, SECRET_KEY=NEWEST, SECRET_KEY_OLD=f"{NEWER};{OLD}").app_context():
        for key in (OLD, NEWER, NEWEST):
            assert number_in(page_reference(key, "7K3M9-QXZ2F")) == "7K3M9-QXZ2F"
        assert number_in(page_reference("3c" * 32, "7K3M9-QXZ2F")) is None
        assert reference_of("7K3M9-QXZ2F") == page_reference(NEWEST, "7K3M9-QXZ2F")
        assert retry_key_of(retry, "7K3M9-QXZ2F", 2) == retry_key("7K3M9-QXZ2F", 2) != retry
        assert retry_key_of(retry, "7K3M9-QXZ2F", 3) == retry
        assert retry_key_of(retry, "7K3M9-QXZ2F", 1) is None
    with made(tmp_path, SECRET_KEY=NEWEST).app_context():
        assert number_in(page_reference(OLD, "7K3M9-QXZ2F")) is None


@pytest.mark.parametrize(("old", "works"), [(OLD, True), (f"{NEWER};{OLD}", True), (NEWER, False), ("", False)])
def test_an_open_form_works_under_the_new_key_while_the_old_one_is_believed(
    tmp_path: Path, old: str, works: bool
) -> None:
    before = made(tmp_path, SECRET_KEY=OLD)
    after = made(tmp_path, SECRET_KEY=NEWEST, SECRET_KEY_OLD=old)
    assert posted(before, after) == works
