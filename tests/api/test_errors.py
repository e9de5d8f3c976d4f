"""Errors below /api are problems with a request's id; elsewhere they are pages. Nobody is shown a trace."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import text
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orderapp.extensions import db
from orderapp.models import Base
from tests.api.conftest import ApiClient, assert_problem

NOWHERE = ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/orders", "/api/\x00"]


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_addresses_of_the_api_that_lead_nowhere_are_problems(anonymous: ApiClient, path: str, method: str) -> None:
    assert_problem(anonymous.http.open(path, method=method), 404, "not_found")


def test_addresses_elsewhere_that_lead_nowhere_are_pages(anonymous: ApiClient) -> None:
    for path in ("/nothing", "/apiary", "/v1/orders"):
        answer = anonymous.http.get(path)
        assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
def test_a_method_that_an_address_does_not_have_is_refused(client: ApiClient, method: str) -> None:
    answer = client.http.open("/api/v1/orders", method=method)

    assert_problem(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_an_unforeseen_error_is_logged_under_the_requests_id_and_tells_nobody_else_anything(
    client: ApiClient,
) -> None:
    order_id = client.place().json["order"]["id"]
    with db.engine.begin() as connection:
        connection.execute(text("PRAGMA ignore_check_constraints=ON"))
        connection.execute(text("UPDATE orders SET state = 'nonsense'"))
        connection.execute(text("PRAGMA ignore_check_constraints=OFF"))

    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = client.get(f"/orders/{order_id}")

    problem = assert_problem(answer, 500, "internal_error")
    assert "nonsense" not in answer.text
    assert "Traceback" not in answer.text
    assert re.fullmatch(r"[0-9a-f]{24}", problem["request_id"])
    assert [(line["event"], line["endpoint"], line["request_id"]) for line in lines] == [
        ("request.failed", "api.show", problem["request_id"])
    ]
    assert lines[0]["exc_info"]


def test_without_a_database_the_answer_is_to_come_again(client: ApiClient) -> None:
    Base.metadata.drop_all(db.engine)

    for answer in (client.get("/products"), client.place()):
        assert_problem(answer, 503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0


def test_each_request_has_an_id_of_its_own_that_the_caller_cannot_choose(client: ApiClient) -> None:
    ids = {
        client.http.get(path, headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] for path in ("/healthz", "/")
    }

    assert len(ids) == 2
    assert "mine" not in ids


@pytest.mark.parametrize("more_settings", [{"TRUSTED_PROXIES": "1"}])
def test_a_proxy_that_sets_no_id_itself_hands_on_the_callers_which_is_not_believed(anonymous: ApiClient) -> None:
    assert anonymous.http.get("/healthz", headers={"X-Request-Id": "a1-b2"}).headers["X-Request-Id"] != "a1-b2"


@pytest.mark.parametrize("more_settings", [{"TRUSTED_PROXIES": "1", "PROXY_SETS_REQUEST_ID": "1"}])
def test_of_a_proxy_that_sets_ids_itself_they_are_kept_if_they_are_well_formed(anonymous: ApiClient) -> None:
    kept = anonymous.http.get("/healthz", headers={"X-Request-Id": "a1-b2"})
    forged = anonymous.http.get("/healthz", headers={"X-Request-Id": "a b"})

    assert kept.headers["X-Request-Id"] == "a1-b2"
    assert forged.headers["X-Request-Id"] != "a b"


def test_every_answer_carries_the_security_headers_and_only_static_files_may_be_kept(client: ApiClient) -> None:
    placed = client.place()
    answers = [
        placed,
        client.get(f"/orders/{placed.json['order']['id']}"),
        client.get("/orders/1"),
        client.get("/openapi.json"),
        client.http.get("/api/nothing"),
        client.http.get("/nothing"),
        client.http.get("/readyz"),
        client.http.get("/static/orderapp.css", buffered=True),
    ]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in answer.headers
        assert "Set-Cookie" not in answer.headers
    assert {answer.headers["Cache-Control"] for answer in answers[:-1]} == {"no-store"}
    assert answers[-1].headers["Cache-Control"] != "no-store"


@pytest.mark.parametrize("more_settings", [{"PUBLIC_URL": "https://shop.example.com"}])
def test_with_an_encrypted_public_address_browsers_are_told_to_use_no_other(anonymous: ApiClient) -> None:
    for path in ("/healthz", "/nothing", "/api/v1/orders"):
        assert "max-age=63072000" in anonymous.http.get(path).headers["Strict-Transport-Security"]


def test_a_requests_id_does_not_stick_to_the_thread(app: Flask, anonymous: ApiClient) -> None:
    import structlog

    first = anonymous.http.get("/healthz").headers["X-Request-Id"]
    second = anonymous.http.get("/healthz").headers["X-Request-Id"]

    assert first != second
    assert structlog.contextvars.get_contextvars().get("request_id") in (None, second)
