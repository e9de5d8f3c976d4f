"""A task that kills its worker every time ends with staff, and what waits beside it is done (T29)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from orderapp import create_app
from tests.drain.backlog import FIRST_ID, write_backlog
from tests.drain.bank import Bank
from tests.flow.production import Production
from tests.servers.loopback import poll_until
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

TASKS, LIMIT = 40, 3
POISON = "B000000:1:settlement"


class Supervised:
    """A worker whose supervisor starts it again whenever it ends, as in production."""

    def __init__(self, production: Production) -> None:
        self.production = production
        self.restarts = 0

    def look_after(self) -> bool:
        """Start it again if it has ended by itself; return False, so that polls go on."""
        if not self.production.is_running("worker"):
            self.restarts += 1
            self.production.kill("worker")  # what is left of it
            self.production.launch("worker")
        return False

    def kill_children(self, key: str) -> None:
        """Be the task: nothing of the process that runs it survives. The master is left alone."""
        if key != POISON:
            return
        for child in self.production.pids("worker")[1:]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


@contextmanager
def supervised(production: Production, bank: Bank) -> Iterator[Supervised]:
    worker = Supervised(production)
    bank.before_answering = worker.kill_children
    yield worker
    bank.before_answering = lambda key: None


@pytest.mark.timeout(180)
def test_a_task_that_kills_its_worker_every_time_holds_up_nothing_else(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> None:
    rabbitmq_server.reset_vhost()
    url = postgres_server.create_database()
    bank = Bank()
    bank.down = False
    production = Production(tmp_path, url, rabbitmq_server.url, ("worker", "timer"), SETTLEMENT_URL=bank.url)
    try:
        production.flask("db", "upgrade")
        write_backlog(create_app(production.environment), TASKS)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as database, supervised(production, bank) as worker:
            fresh = "due_at = now(), publish_at = now(), attempts = 0, claims = 0, attempt_limit = :limit"
            database.execute(text(f"UPDATE tasks SET {fresh}"), {"limit": LIMIT})
            production.launch()
            ended = text("SELECT count(*) FROM tasks WHERE state IN ('done', 'failed') AND kind <> 'job'")
            assert poll_until(
                lambda: worker.look_after() or database.execute(ended).scalar_one() == TASKS, within_seconds=150
            )
            of_orders = text("SELECT id, state, attempts, last_code FROM tasks WHERE kind <> 'job'")
            rows = {row.id: row for row in database.execute(of_orders)}
        engine.dispose()
    finally:
        production.close()
        bank.stop()
        postgres_server.drop_database(url)
    poison = rows.pop(FIRST_ID)
    assert (poison.state, poison.attempts, poison.last_code) == ("failed", LIMIT, "lease_lapsed")
    # The master ended with its child each time, and the supervisor brought both back.
    assert worker.restarts == LIMIT
    assert {row.state for row in rows.values()} == {"done"}
    # A task that died beside it runs without it from then on, so later deaths cost no second attempt.
    assert max(row.attempts for row in rows.values()) <= 2
