"""An application of its own on either database, made by the migrations alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from orderapp import create_app
from orderapp.extensions import db
from tests.servers.postgres import PostgresServer

MakeApp = Callable[[Mapping[str, str]], Flask]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "SQLite":
        yield f"sqlite:///{tmp_path / 'orders.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def variables(database_url: str, free_port: int) -> dict[str, str]:
    """The settings of production, with an inventory that nobody answers for."""
    return {
        "SECRET_KEY": "3f" * 32,
        "DATABASE_URL": database_url,
        "INVENTORY_URL": f"http://127.0.0.1:{free_port}",
        "SETTLEMENT_URL": f"http://127.0.0.1:{free_port}",
    }


@pytest.fixture
def bare_app(variables: dict[str, str]) -> Iterator[Flask]:
    """The application on a database without tables."""
    app = create_app(variables)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(bare_app: Flask) -> Flask:
    """The application with its tables."""
    with bare_app.app_context():
        upgrade()
    return bare_app
