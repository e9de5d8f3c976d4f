"""An operation as production carries it out: its worker is killed half way, and no task is forgotten or done twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.flow.production import Production
from tests.servers.loopback import poll_until
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TASKS = 60
PLUGIN = """
from orderapp.ext import Run, job

@job("print-labels")
def print_labels(run: Run):
    return "printed"
"""
FAILED = text(
    "INSERT INTO tasks (kind, system, news, key, state, attempts, attempt_limit, claims, fencing, pending_answers,"
    " repeats, created_at, arguments)"
    " SELECT 'job', 'print-labels', '', 'label ' || number, 'failed', 1, 1, 1, 1, 0, 0, now(), '{}'"
    f" FROM generate_series(1, {TASKS}) number"
)
PLANNED = text("SELECT count(*) FROM operation_items WHERE state = 'planned'")
OPERATION = text("SELECT state, counts FROM operations")
REQUEUED = text("SELECT subject, count(*) FROM audit_entries WHERE act = 'task.requeue' GROUP BY subject")
PRINTED = text("SELECT count(*) FROM attempts WHERE system = 'print-labels' AND outcome = 'done'")
TURNS = text("SELECT claims FROM tasks WHERE system = 'bulk-operation'")


def test_a_worker_that_is_killed_half_way_is_followed_by_one_that_goes_on_there(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> None:
    (tmp_path / "labels.py").write_text(PLUGIN)
    rabbitmq_server.reset_vhost()
    url = postgres_server.create_database()
    environment = {"ORDERAPP_PLUGINS": "labels", "PYTHONPATH": str(tmp_path), "OPERATION_TASKS_PER_SECOND": "10"}
    production = Production(tmp_path, url, rabbitmq_server.url, ("worker", "timer"), **environment)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        production.flask("db", "upgrade")
        with engine.connect() as database:

            def rows(statement: Any) -> Sequence[Any]:
                return database.execute(statement).all()

            database.execute(FAILED)
            told = production.flask(
                "tasks", "requeue", "--failed", "--system", "print-labels", "--reason", "paper is in"
            )
            assert told.strip() == f"Operation 1 requeues {TASKS} tasks."
            production.start()
            assert poll_until(lambda: 5 < rows(PLANNED)[0][0] < TASKS - 10, within_seconds=60)
            production.kill("worker", "timer")
            assert rows(PLANNED)[0][0] > 0, "it was killed within the operation"
            production.launch("worker", "timer")
            assert poll_until(lambda: rows(OPERATION)[0].state == "ended", within_seconds=90), (
                rows(OPERATION),
                production.log("worker").read_text(),
            )
            assert json.loads(rows(OPERATION)[0].counts) == {"done": TASKS}
            assert [number for _, number in rows(REQUEUED)] == [1] * TASKS
            assert rows(PRINTED)[0][0] == TASKS
            assert rows(TURNS)[0].claims > 1
    finally:
        engine.dispose()
        production.close()
        postgres_server.drop_database(url)
