"""The migrations: up, down and up again, and the same tables as the models, on both databases."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect, text

from orderapp import create_app
from orderapp.config import ROOT
from orderapp.extensions import db
from orderapp.models import Base
from tests.servers.postgres import PostgresServer

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'orders.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    made = create_app({"SECRET_KEY": "a secret for tests alone", "DATABASE_URL": database_url})
    with made.app_context():
        yield made
        db.engine.dispose()


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_up_makes_every_table_and_down_takes_every_one_away(app: Flask) -> None:
    upgrade()
    assert tables() == set(Base.metadata.tables)
    downgrade(revision="base")
    assert tables() == set()
    upgrade()
    assert tables() == set(Base.metadata.tables)


# SQLite does not tell of those; PostgreSQL does, so a difference there is seen.
@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_the_migrations_make_what_the_models_say(app: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_two_that_migrate_at_once_take_turns(app: Flask) -> None:
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    variables = {
        "PATH": str(Path(sys.executable).parent),
        "SECRET_KEY": "a secret for tests alone",
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
    }
    running = [subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert tables() == set(Base.metadata.tables)
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


BEFORE_THERE_WERE_BOOKS = """
INSERT INTO orders (id, number, state, ends_as, placement_number, customer_name, customer_email, customer_phone,
    member_ref, currency, subtotal_minor, total_minor, coupon, benefit, created_at, updated_at)
VALUES ('{order}', '{number}', '{state}', NULL, 1, '', '', '', '', 'EUR', 0, 0, '', '', {now}, {now});
INSERT INTO placements (id, order_id, number, state, started_at) VALUES ({id}, '{order}', 1, 'compensating', {now});
INSERT INTO tasks (id, order_id, placement_id, kind, system, key, state, attempts, attempt_limit, claims, fencing,
    created_at, finished_at)
VALUES ({id}, '{order}', {id}, '{kind}', 'x', '{number}:1:x', 'cancelled', 1, 1, 1, 1, {now}, {now})
"""
GIVEN_UP = [("compensating", "compensate"), ("confirmed", "settle"), ("cancelled", "settle"), ("confirmed", "notify")]


def test_what_staff_gave_up_before_there_were_books_is_on_them(app: Flask) -> None:
    upgrade(revision="0002")
    now = "'2026-01-02 03:04:05.000000'" if db.engine.dialect.name == "sqlite" else "now()"
    with db.engine.begin() as connection:
        for number, (state, kind) in enumerate(GIVEN_UP, start=1):
            dashed = db.engine.dialect.name != "sqlite"
            order = str(uuid.UUID(int=number)) if dashed else uuid.UUID(int=number).hex
            values = {"order": order, "number": f"N{number}", "state": state, "kind": kind, "id": number, "now": now}
            for statement in BEFORE_THERE_WERE_BOOKS.format(**values).split(";"):
                connection.execute(text(statement.replace(":", r"\:")))
    upgrade()
    with db.engine.connect() as connection:
        words = connection.execute(text("SELECT task_id, word, key FROM overrides ORDER BY task_id")).all()
    # Still held, still owed; of the others nothing is.
    assert [tuple(word) for word in words] == [(1, "given_up", "N1:1:x"), (2, "given_up", "N2:1:x")]
