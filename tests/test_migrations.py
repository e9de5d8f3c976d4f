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
    made = create_app({"SECRET_KEY": "a secret for tests alone, and long enough", "DATABASE_URL": database_url})
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


@pytest.mark.slow
def test_two_that_migrate_at_once_take_turns(app: Flask) -> None:
    command = [sys.executable, "-m", "flask", "db", "upgrade"]
    variables = {
        "PATH": str(Path(sys.executable).parent),
        "SECRET_KEY": "a secret for tests alone, and long enough",
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
    }
    running = [subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert tables() == set(Base.metadata.tables)
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


AN_ORDER = """
INSERT INTO orders (id, number, state, ends_as, placement_number, customer_name, customer_email, customer_phone,
    inputs, currency, subtotal_minor, total_minor, created_at, updated_at)
VALUES (:id, 'N1', 'confirmed', NULL, 1, '', '', '', '{}', 'EUR', 0, 0, '2026-01-02 03:04:05.000000',
    '2026-01-02 03:04:05.000000')
"""


def test_a_downgrade_that_would_lose_orders_refuses_and_says_how_many(app: Flask) -> None:
    upgrade()
    order_id = uuid.UUID(int=1)
    with db.engine.begin() as connection:
        connection.execute(text(AN_ORDER), {"id": order_id.hex})
    with pytest.raises(SystemExit) as refused:
        downgrade(revision="base")
    assert "this downgrade would lose 1 rows of orders; nothing was changed" in str(refused.value)
    with db.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == 1
    assert tables() == set(Base.metadata.tables)
