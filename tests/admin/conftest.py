"""The back office on a database of its own, with one member of staff per role."""

from __future__ import annotations

import contextvars
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from orderapp import create_app
from orderapp.admin.who import COOKIE
from orderapp.config import Settings
from orderapp.extensions import db
from orderapp.models import Base, Role, Staff
from orderapp.services.access import sessions
from orderapp.services.access.accounts import create_staff
from orderapp.services.db.transactions import reading, writing
from tests.admin.rows import Rows
from tests.servers.applications import running_application
from tests.servers.tables import create_tables

PASSWORD = "a long walk on the beach"
DATABASE = "office.db"
SYSTEMS = ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS")
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """A browser without JavaScript: keeps cookies, sends the token of the page it was on with each form."""

    def __init__(self, app: Flask, **wsgi: str) -> None:
        self.client: FlaskClient = app.test_client()
        self.wsgi = wsgi

    def request(self, path: str, **how: object) -> TestResponse:
        """Send a request outside of the test's own application context, as a server would get it."""
        return contextvars.Context().run(partial(self.client.open, path, environ_overrides=self.wsgi, **how))

    def get(self, path: str) -> TestResponse:
        return self.request(path)

    def token(self) -> str:
        """The token of a page with a form: the overview's, or the login's."""
        page = self.get("/admin/login")
        found = TOKEN.search(page.text)
        assert found is not None
        return found[1]

    def post(self, path: str, **fields: object) -> TestResponse:
        return self.send(path, {"csrf_token": self.token(), **fields})

    def send(self, path: str, fields: dict[str, object]) -> TestResponse:
        """Send a form just as it is."""
        return self.request(path, method="POST", data=fields)

    def log_in(self, email: str, password: str = PASSWORD, path: str = "/admin/login") -> TestResponse:
        return self.post(path, email=email, password=password)

    def cookie(self) -> str:
        found = self.client.get_cookie("orderapp-staff")
        return found.value if found else ""


# The environment of an application whose systems are never called.
VARIABLES = {
    "ORDERAPP_MODE": "development",
    "SECRET_KEY": "a secret for tests alone, and long enough",
    **{f"{system}_URL": "http://127.0.0.1:9" for system in SYSTEMS},
}


def variables(folder: Path, **further: str) -> dict[str, str]:
    """The environment of another application, on a database in a folder."""
    return {**VARIABLES, "DATABASE_URL": f"sqlite:///{folder / DATABASE}", **further}


@pytest.fixture(scope="session")
def filled_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the tables and one account per role, made once: hashing passwords takes its time."""
    folder = tmp_path_factory.mktemp("office")
    app = create_app(variables(folder))
    with app.app_context():
        create_tables(db.engine)
        for role in Role:
            create_staff(f"{role.value}@example.com", role, PASSWORD)
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()
    return folder / DATABASE


@pytest.fixture
def app(filled_database: Path) -> Iterator[Flask]:
    with running_application(VARIABLES, database=filled_database) as app:
        yield app


@pytest.fixture
def settings(app: Flask) -> Settings:
    return app.extensions["orderapp.settings"]


@pytest.fixture
def rows(app: Flask) -> Rows:
    """Writes orders and tasks in whatever state a test needs them."""
    return Rows()


@pytest.fixture
def logged_in(app: Flask) -> Callable[[Role], Browser]:
    """Returns a browser with a member of staff of a role logged in, without the time that a password takes."""

    def log_in(role: Role) -> Browser:
        browser = Browser(app)
        with writing() as session:
            staff_id = session.scalars(select(Staff.id).where(Staff.email == f"{role.value}@example.com")).one()
            browser.client.set_cookie(COOKIE, sessions.start(session, staff_id))
        return browser

    return log_in


@pytest.fixture
def everything(app: Flask) -> Callable[[], dict[str, list[tuple[object, ...]]]]:
    """Returns the whole content of the database, to show that it didn't change."""

    def dump() -> dict[str, list[tuple[object, ...]]]:
        with reading() as session:
            return {
                table.name: [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]
                for table in Base.metadata.sorted_tables
                if table.name != "refusals"  # counts what wasn't done
            }

    return dump


def apart_from_refusals(dump: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    """What the database holds besides the record of acts that were refused."""
    return {name: rows for name, rows in dump.items() if name not in ("audit_entries", "rate_counters")}
