"""Every refused or throttled request leaves a line in the log and a count, whichever part of the product refused it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from structlog.testing import capture_logs

from orderapp import create_app
from orderapp.extensions import db
from orderapp.models import Base, Refusal, Role
from orderapp.services.access.accounts import create_staff
from orderapp.services.db.transactions import reading
from tests.admin.conftest import PASSWORD, Browser, variables


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(variables(tmp_path))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        create_staff("viewer@example.com", Role.VIEWER, PASSWORD)
        yield app
        db.engine.dispose()


def no_token(app: Flask) -> None:
    assert app.test_client().get("/api/v1/products").status_code == 401


def wrong_token(app: Flask) -> None:
    answer = app.test_client().get("/api/v1/products", headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401


def metrics_from_elsewhere(app: Flask) -> None:
    answer = app.test_client().get("/metrics", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert answer.status_code == 403


def wrong_password(app: Flask) -> None:
    assert Browser(app).log_in("viewer@example.com", "wrong").status_code == 401


def too_many_passwords(app: Flask) -> None:
    answers = [Browser(app).log_in("viewer@example.com", "wrong").status_code for _ in range(6)]
    assert answers[-1] == 429


def not_ones_role(app: Flask) -> None:
    browser = Browser(app)
    browser.log_in("viewer@example.com")
    assert browser.get("/admin/staff/").status_code == 403


def act_without_a_login(app: Flask) -> None:
    assert Browser(app).post("/admin/tasks/requeue").status_code == 401


def form_of_another_session(app: Flask) -> None:
    assert app.test_client().post("/orders", data={"name": "Ada"}).status_code == 400


def staff_form_of_another_session(app: Flask) -> None:
    assert Browser(app).send("/admin/login", {"csrf_token": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("refused", "traced"),
    [
        (no_token, ("api", 401, "not_authenticated")),
        (wrong_token, ("api", 401, "invalid_token")),
        (metrics_from_elsewhere, ("operations", 403, "forbidden")),
        (wrong_password, ("office", 401, "wrong_password")),
        (too_many_passwords, ("office", 429, "too_many_attempts")),
        (not_ones_role, ("office", 403, "forbidden")),
        (act_without_a_login, ("office", 401, "not_authenticated")),
        (form_of_another_session, ("shop", 400, "csrf")),
        (staff_form_of_another_session, ("office", 400, "csrf")),
    ],
)
def test_a_refusal_is_logged_and_counted(
    app: Flask, refused: Callable[[Flask], None], traced: tuple[str, int, str]
) -> None:
    with capture_logs() as lines:
        refused(app)
    logged = [(line["area"], line["status"], line["code"]) for line in lines if line["event"] == "request.refused"]
    assert logged[-1] == traced
    with reading() as session:
        counted = {(one.area, one.status, one.code): one.count for one in session.scalars(select(Refusal))}
    assert counted[traced] == 1
    area, status, code = traced
    sample = f'orderapp_refusals_total{{area="{area}",code="{code}",status="{status}"}} 1.0'
    assert sample in app.test_client().get("/metrics").text


def test_what_is_answered_leaves_no_such_trace(app: Flask) -> None:
    client: FlaskClient = app.test_client()
    for path in ("/", "/healthz", "/nothing", "/admin/", "/api/v1/openapi.json", "/admin/login"):
        client.get(path)
    with reading() as session:
        assert session.scalars(select(Refusal)).all() == []


def test_a_refusal_is_answered_where_it_cant_be_counted(app: Flask) -> None:
    Base.metadata.drop_all(db.engine)
    with capture_logs() as lines:
        no_token(app)
    assert "request.refusal_not_counted" in json.dumps([line["event"] for line in lines])
