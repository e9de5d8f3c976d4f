"""Jobs as production runs them: a worker that is killed within one, and several timers that plan its next run."""

from __future__ import annotations

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

# Its first run kills the worker. What it enqueues itself is written with its own transaction.
PLUGIN = """
import os
from pathlib import Path
from orderapp.ext import Daily, Run, enqueue, job

@job("write-letters", every=Daily("02:00", "Europe/Berlin"), lease_seconds=1)
def write_letters(run: Run):
    died = Path(run.env.text("DIED"))
    with run.transaction() as session:
        enqueue(post_letters, session, key="letters", number=7)
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), 9)
    return f"attempt {run.attempt}"

@job("post-letters")
def post_letters(run: Run):
    return {"posted": run.arguments["number"]}
"""
ROWS = text(
    "SELECT tasks.system, tasks.state, attempts.number, attempts.outcome, attempts.code, attempts.message FROM tasks"
    " JOIN attempts ON attempts.task_id = tasks.id WHERE tasks.kind = 'job' ORDER BY tasks.system, attempts.id"
)
MISSED = text(
    "UPDATE tasks SET due_at = now(), publish_at = now(), scheduled_at = scheduled_at - interval '1 day',"
    " key = 'missed'"
    " WHERE system = 'write-letters'"
)
WAITING = text("SELECT scheduled_at FROM tasks WHERE system = 'write-letters' AND state = 'waiting' AND claims = 0")


def test_a_worker_that_is_killed_within_a_job_is_followed_by_another_and_timers_plan_once(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> None:
    (tmp_path / "letters.py").write_text(PLUGIN)
    rabbitmq_server.reset_vhost()
    url = postgres_server.create_database()
    environment = {"ORDERAPP_PLUGINS": "letters", "PYTHONPATH": str(tmp_path), "DIED": str(tmp_path / "died")}
    names = ("worker", "timer-1", "timer-2", "timer-3")
    production = Production(tmp_path, url, rabbitmq_server.url, names, **environment)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        production.flask("db", "upgrade")
        production.start()
        with engine.connect() as database:

            def rows(statement: Any) -> Sequence[Any]:
                if not production.is_running("worker"):
                    production.kill("worker")  # what is left of it
                    production.launch("worker")
                return database.execute(statement).all()

            assert poll_until(lambda: len(rows(WAITING)) == 1, within_seconds=60)
            # As if it had been planned a day earlier, and nobody had run it.
            database.execute(MISSED)
            ended = [
                ("post-letters", "done", 1, "done", "", '{"posted": 7}'),
                ("write-letters", "done", 1, "unknown", "lease_lapsed"),
                ("write-letters", "done", 2, "done", "", "attempt 2"),
            ]

            def seen() -> list[Any]:
                return [tuple(row)[:5] if row.code == "lease_lapsed" else tuple(row) for row in rows(ROWS)]

            assert poll_until(lambda: seen() == ended, within_seconds=90), (
                seen(),
                production.log("worker").read_text(),
            )
            # Each of the two runs was planned by one of the three.
            assert poll_until(lambda: len(rows(WAITING)) == 1, within_seconds=20)
            lines = [line for name in names[1:] for line in production.log(name).read_text().splitlines()]
            assert sum("job.planned" in line and "write-letters" in line for line in lines) == 2
    finally:
        engine.dispose()
        production.close()
        postgres_server.drop_database(url)
