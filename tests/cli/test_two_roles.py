"""Two roles on PostgreSQL, made as docs/production.md says: what the application's own can't do."""

from __future__ import annotations

import re

import psycopg
import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from orderapp.config import ROOT
from orderapp.services.db.transactions import writing
from tests.cli.conftest import MakeApp
from tests.servers.postgres import PostgresServer

PAGE = (ROOT / "docs" / "production.md").read_text()


@pytest.fixture
def app(postgres_server: PostgresServer, make_app: MakeApp, variables: dict[str, str]) -> Flask:
    """The application as the role `orderapp`, in a database whose tables `orderapp_owner` owns."""
    (statements,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    url = make_url(postgres_server.create_database())
    name = url.database or ""
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(False), autocommit=True) as connection:
        connection.execute(statements.replace("DATABASE orders", f"DATABASE {name}").encode())
    as_role = {role: url.set(username=role).render_as_string(False) for role in ("orderapp_owner", "orderapp")}
    owner = make_app({**variables, "DATABASE_URL": as_role["orderapp_owner"]}, tables=False)
    with owner.app_context():
        upgrade()
    return make_app({**variables, "DATABASE_URL": as_role["orderapp"]}, tables=False)


def test_the_applications_role_works_and_can_not_switch_the_history_off(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["doctor"])
    (line,) = (line for line in result.stdout.splitlines() if line.startswith("database"))
    assert "owns the tables" not in line
    created = app.test_cli_runner().invoke(args=["tokens", "create", "till"])
    assert created.exit_code == 0, created.output
    for statement in (
        "ALTER TABLE audit_entries DISABLE TRIGGER USER",
        "DROP TABLE attempts",
        "TRUNCATE audit_entries",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
    ):
        refused = pytest.raises(ProgrammingError, match="permission denied|must be owner")
        with app.app_context(), refused, writing() as session:
            session.execute(text(statement))
