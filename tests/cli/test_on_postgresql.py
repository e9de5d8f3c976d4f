"""The commands on PostgreSQL: what they write and read in bulk, and what they say of a database that isn't ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine, text

from orderapp.services.operations.database_settings import is_corrected
from orderapp.services.orders.catalogue import list_products
from orderapp.services.orders.views import OrderView
from tests.cli.conftest import MakeApp, Run
from tests.conftest import POSTGRES
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
    assert "orders compared: 3, effects: 6, mismatches: 1," in result.stdout


def test_tasks_are_listed_and_made_due(run: Run, place: Callable[..., OrderView]) -> None:
    place("order-1")
    listed = run("tasks", "list", "--state", "waiting", "--kind", "settle").stdout.splitlines()
    assert len(listed) == 2
    assert run("tasks", "requeue", listed[1].split()[0], "--reason", "now").exit_code == 0


@pytest.fixture(scope="module")
def durable_server() -> Iterator[PostgresServer]:
    """A server as in production, whose commits reach the disk."""
    with PostgresServer(POSTGRES.path(), durable=True) as server:
        yield server


@pytest.fixture
def examined(variables: dict[str, str], make_app: MakeApp) -> Callable[[str], str]:
    """Gives the doctor's line on a database whose schema is up to date, without the blanks that align its columns."""

    def examine(url: str) -> str:
        app = make_app({**variables, "DATABASE_URL": url}, tables=False)
        with app.app_context():
            upgrade()
        [line] = [
            one for one in app.test_cli_runner().invoke(args=["doctor"]).stdout.splitlines() if "database " in one
        ]
        return " ".join(line.split())

    return examine


@contextmanager
def executing(url: str) -> Iterator[Callable[[str], object]]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield lambda statement: connection.execute(text(statement))
    engine.dispose()


def test_the_doctor_knows_whether_the_schema_is_up_to_date(
    variables: dict[str, str], make_app: MakeApp, durable_server: PostgresServer, examined: Callable[[str], str]
) -> None:
    url = durable_server.create_database()
    app = make_app({**variables, "DATABASE_URL": url}, tables=False)
    assert "PostgreSQL, schema empty, but " in app.test_cli_runner().invoke(args=["doctor"]).stdout
    with executing(url) as execute:  # what each connection sets itself is nobody's mistake
        for setting in ("default_transaction_isolation = serializable", "synchronous_commit = off"):
            execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET {setting}")
    # The tests' role owns everything.
    assert examined(url).startswith("database doubtful our role owns the tables, so whoever breaks in")


@pytest.mark.parametrize(("number", "corrected"), [(149_999, False), (150_000, True), (150_004, True), (170_000, True)])
def test_the_doctor_knows_which_versions_are_corrected(number: int, corrected: bool) -> None:
    assert is_corrected(number) is corrected


def test_the_doctor_finds_a_server_that_may_forget(database_url: str, examined: Callable[[str], str]) -> None:
    # As the other tests' server is started.
    line = examined(database_url)
    assert line.startswith("database wrong fsync = off: a crash of its host can lose confirmed orders")
    assert "full_page_writes = off: " in line


SPOILT = {
    "unlogged, so a crash empties them: rate_counters": "ALTER TABLE rate_counters SET UNLOGGED",
    "their triggers or foreign keys are switched off: attempts": "ALTER TABLE attempts DISABLE TRIGGER ALL",
    "invalid indexes, which keep nothing unique: uq_submissions_scope_key": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'uq_submissions_scope_key'::regclass"
    ),
    "session_replication_role = replica: foreign keys and triggers": (
        "ALTER DATABASE {name} SET session_replication_role = replica"
    ),
}


@pytest.mark.parametrize("told", SPOILT)
def test_the_doctor_finds_what_was_done_to_our_tables(
    told: str, durable_server: PostgresServer, examined: Callable[[str], str]
) -> None:
    url = durable_server.create_database()
    examined(url)
    with executing(url) as execute:
        execute(SPOILT[told].format(name=url.rpartition("/")[2]))
    line = examined(url)
    assert line.startswith("database wrong ")
    assert told in line


def test_a_database_without_tables_is_told_in_one_line(variables: dict[str, str], make_app: MakeApp) -> None:
    result = make_app(variables, tables=False).test_cli_runner().invoke(args=["tokens", "create", "webshop"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the database can't be used: ")
    assert 'relation "api_tokens" does not exist' in result.stderr
    assert result.stderr.count("\n") == 1
