"""The services on both databases, against the sandbox or against systems inside the test's process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from orderapp import create_app
from orderapp.config import Settings
from orderapp.domain.states import OrderState
from orderapp.extensions import db
from orderapp.models import Base
from orderapp.services.orders.views import OrderView
from tests.sandbox.running import RunningSandbox
from tests.servers.postgres import PostgresServer
from tests.servers.tables import create_tables
from tests.services.scripted import OneOfEach
from tests.services.shop import Shop
from tests.services.tampering import COUPON, EVERYTHING

HTTP_SYSTEMS = ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS", "SMTP")
SETTINGS = {
    "SECRET_KEY": "a secret for tests alone, and long enough",
    "RETRY_BASE_SECONDS": "0.01",
    "RETRY_MAX_SECONDS": "0.02",
    # Each order of a test is another customer's but where a test means the same one.
    "DUPLICATE_WINDOW_SECONDS": "60",
    # The sandbox answers within milliseconds; a machine that does much else holds it up for half a second at times.
    **{f"{system}_TIMEOUT": "3,3" for system in HTTP_SYSTEMS},
}

# Numbers begin with 1 again.
ANEW = (
    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false)"
    " FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database: a SQLite file, and one of the private PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_database")
    return url


@pytest.fixture(scope="package")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite")


@pytest.fixture
def sqlite_database(sqlite_folder: Path) -> Iterator[str]:
    """A new file, always of the same name, so that one application serves all tests."""
    yield f"sqlite:///{sqlite_folder / 'orders.db'}"
    for file in sqlite_folder.iterdir():
        file.unlink()


@pytest.fixture(scope="package")
def shared_postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with our tables, one for all tests of this folder: making the tables takes longer than most tests.

    Each statement has one plan for all values here, as each may have from a connection's sixth execution on: nothing
    may depend on a parameter's value being known. The tests of other folders leave the choice to the server.
    """
    url = postgres_server.create_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        name = engine.dialect.identifier_preparer.quote(str(engine.url.database))
        connection.execute(text(f"ALTER DATABASE {name} SET plan_cache_mode = force_generic_plan"))
    Base.metadata.create_all(engine)
    engine.dispose()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def postgres_database(shared_postgres_database: str) -> Iterator[str]:
    """The shared database; it is empty again after the test."""
    yield shared_postgres_database
    engine = create_engine(shared_postgres_database)
    # Emptied row by row, without the foreign keys' order: to truncate forty files and their indexes takes longer than a
    # test.
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("; ".join(f"DELETE FROM {name}" for name in Base.metadata.tables)))
        connection.execute(text(ANEW))
    engine.dispose()


@pytest.fixture(scope="package")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    with RunningSandbox(tmp_path_factory.mktemp("sandbox"), coupon_late_seconds=0.5) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """The shared sandbox, without faults and with settlements that settle at once."""
    yield shared_sandbox
    shared_sandbox.clear_faults()
    shared_sandbox.set("options", "settlement_seconds", 0)


@cache
def _application(database_url: str) -> Flask:
    """The application on a database, made once: wiring its pages takes longer than most tests of services."""
    return create_app({**SETTINGS, "DATABASE_URL": database_url})


def _opened(database_url: str, variables: Mapping[str, str]) -> Iterator[Shop]:
    app = _application(database_url)
    settings = Settings.from_environment({**SETTINGS, **variables, "DATABASE_URL": database_url})
    as_made = dict(app.extensions)
    app.extensions["orderapp.settings"] = settings
    with app.app_context():
        create_tables(db.engine)
        yield Shop(app, settings).stocked()
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        db.engine.dispose()
    app.extensions.clear()
    app.extensions.update(as_made)


@pytest.fixture
def shop(database_url: str, sandbox: RunningSandbox) -> Iterator[Shop]:
    """The services with the default connectors, talking to the sandbox."""
    yield from _opened(database_url, sandbox.environ())


@pytest.fixture
def empty_shop(database_url: str) -> Iterator[Shop]:
    """The services without external systems: give it some with `with_systems`."""
    yield from _opened(database_url, {})


@pytest.fixture
def systems() -> OneOfEach:
    """The external systems of `busy_shop`."""
    return OneOfEach()


@pytest.fixture
def busy_shop(empty_shop: Shop, systems: OneOfEach) -> Shop:
    """The services with one external system of each sort, inside the test's process."""
    return empty_shop.with_systems(*systems.all)


@pytest.fixture
def confirmed(shop: Shop, sandbox: RunningSandbox) -> OrderView:
    """A confirmed order with a coupon, all of its effects in place."""
    order = shop.submit(coupon=COUPON).order
    shop.work_until_quiet()
    assert sandbox.held(order.number) == EVERYTHING
    return order


@pytest.fixture
def failed(shop: Shop, sandbox: RunningSandbox) -> OrderView:
    """A failed order with a coupon, that holds nothing."""
    sandbox.fault("inventory", "refuses", scope="do")
    order = shop.submit(coupon=COUPON).order
    sandbox.clear_faults()
    shop.work_until_quiet()
    assert shop.view(order.id).state is OrderState.FAILED
    assert sandbox.held(order.number) == {}
    return order


@pytest.fixture
def forget(sandbox: RunningSandbox) -> Callable[[str, str], None]:
    """Makes a system lose what it knows of a key, as one does that is set up again from an old backup."""

    def lose(system: str, lost: str) -> None:
        with closing(sqlite3.connect(sandbox.settings.data, timeout=10)) as file, file:
            if system == "coupon":
                gone = file.execute("DELETE FROM redemptions WHERE reference = ?", (lost,))
            else:
                gone = file.execute("DELETE FROM keyed WHERE system = ? AND key = ?", (system, lost))
            assert gone.rowcount == 1

    return lose
