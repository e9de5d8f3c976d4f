"""What our own failures tell: nothing to strangers, no secrets to the log, and what to do to the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask
from structlog.testing import capture_logs

from orderapp.logs import set_up_logs
from orderapp.models import Product, db_now
from orderapp.services.db.transactions import writing

SECRET_TOKEN = "spoUtHTZUEY-yln0gAA5vrRU"


def test_an_unforeseen_error_is_logged_without_the_address_which_may_be_a_key(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(reference: str) -> str:
        raise RuntimeError("nobody foresaw this")

    app.add_url_rule("/explode/<reference>", "explode", explode)
    with capture_logs() as lines:
        answer = app.test_client().get(f"/explode/0HQWB-E3PHG.{SECRET_TOKEN}?also={SECRET_TOKEN}")
    assert answer.status_code == 500
    assert "nobody foresaw" not in answer.text
    assert [(line["event"], line["endpoint"], line["method"]) for line in lines] == [
        ("request.failed", "explode", "GET")
    ]
    assert SECRET_TOKEN not in f"{lines} {caplog.text}"


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What the product logs in production, on standard error; the tests' own logging is back afterwards."""
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    set_up_logs(json_lines=True)
    # Else the product's loggers would keep these settings when the test is over.
    structlog.configure(cache_logger_on_first_use=False)
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def test_a_row_that_the_database_refuses_is_not_in_the_log(app: Flask, logged: pytest.CaptureFixture[str]) -> None:
    def explode() -> str:
        with writing() as session:
            session.add(Product(sku="canary-sku", name="canary", price_minor=-1, currency="EUR", updated_at=db_now()))
        return "never reached"

    app.add_url_rule("/explode", "explode", explode)
    assert app.test_client().get("/explode").status_code == 500
    text = logged.readouterr().err
    assert "IntegrityError" in text
    assert "products" in text
    assert "canary" not in text


@pytest.mark.parametrize("path", ["/", "/admin/", "/api/v1/products", "/readyz"])
def test_a_database_without_our_tables_is_a_clear_503(bare_app: Flask, path: str) -> None:
    client = bare_app.test_client()
    client.set_cookie("orderapp-staff", "a token")
    answer = client.get(path, headers={"Authorization": "Bearer token"})
    assert answer.status_code == 503
    assert "SELECT" not in answer.text
