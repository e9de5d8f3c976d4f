"""The commands on PostgreSQL: what they write and read in bulk, and what they say of a database that isn't ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask_migrate import upgrade

from orderapp.services.catalogue import list_products
from orderapp.services.order_view import OrderView
from tests.cli.conftest import MakeApp, Run
from tests.sandbox.calls import INVENTORY
from tests.sandbox.running import RunningSandbox
from tests.servers.postgres import PostgresServer


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def variables(variables: dict[str, str], database_url: str) -> dict[str, str]:
    """The usual settings, with that database."""
    return {**variables, "DATABASE_URL": database_url}


def test_products_are_added_overwritten_and_left_alone(app: Flask, run: Run) -> None:
    for value in (500, 550):
        content = [
            {"sku": f"CUP-{n}", "name": "Cup", "price": {"value": value, "currency": "EUR"}} for n in range(1500)
        ]
        assert run("products", "import", "-", stdin=json.dumps(content)).stdout == "Imported 1500 products.\n"
    with app.app_context():
        assert sorted({one.price.minor for one in list_products()}) == [550, 790]
        assert len(list_products()) == 1501


def test_orders_are_compared_with_the_systems(
    run: Run, place: Callable[..., OrderView], run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    orders = [place(f"order-{number}") for number in range(3)]
    run_tasks()
    INVENTORY.cancel(sandbox, f"{orders[1].number}:1:inventory").raise_for_status()
    result = run("reconcile")
    assert result.exit_code == 1
    assert f"{orders[1].number}:1:inventory  missing effect" in result.stdout
    assert "orders compared: 3, effects: 6, differences: 1," in result.stdout


def test_tasks_are_listed_and_made_due(run: Run, place: Callable[..., OrderView]) -> None:
    place("order-1")
    listed = run("tasks", "list", "--state", "waiting", "--kind", "settle").stdout.splitlines()
    assert len(listed) == 2
    assert run("tasks", "requeue", listed[1].split()[0], "--reason", "now").exit_code == 0


def test_the_doctor_knows_whether_the_schema_is_up_to_date(variables: dict[str, str], make_app: MakeApp) -> None:
    app = make_app(variables, tables=False)
    assert "PostgreSQL, schema empty, but " in app.test_cli_runner().invoke(args=["doctor"]).stdout
    with app.app_context():
        upgrade()
    assert "database       ok        PostgreSQL, schema " in app.test_cli_runner().invoke(args=["doctor"]).stdout


def test_a_database_without_tables_is_told_in_one_line(variables: dict[str, str], make_app: MakeApp) -> None:
    result = make_app(variables, tables=False).test_cli_runner().invoke(args=["tokens", "create", "webshop"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the database can't be used: ")
    assert 'relation "api_tokens" does not exist' in result.stderr
    assert result.stderr.count("\n") == 1
