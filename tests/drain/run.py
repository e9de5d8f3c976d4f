"""Lets a settlement system come back after an outage, and measures how what waited for it is done."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from orderapp import create_app
from tests.drain.backlog import BACKOFF_SECONDS, write_backlog
from tests.drain.bank import Bank
from tests.flow.production import Production
from tests.servers.loopback import poll_until

BEGIN_SECONDS = 5.0  # after the first success
OUTAGE_SECONDS = 10.0  # of the hour, those that processes are up for


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain came to. Seconds count from the first success; `calls_while_down` includes every probe."""

    tasks: int
    rate_per_second: float
    calls_while_down: int
    first_success_after_seconds: float
    began_after_seconds: float
    drained_after_seconds: float
    most_calls_in_a_second: int
    failed_tasks: int

    @property
    def as_promised(self) -> bool:
        """Whether it began within 5 s, kept to the rate, and used up no task's attempts."""
        in_time = self.began_after_seconds <= BEGIN_SECONDS
        return in_time and self.most_calls_in_a_second <= self.rate_per_second and not self.failed_tasks


def drain(tasks: int, rate_per_second: float, folder: Path, database_url: str, rabbitmq_url: str) -> Drained:
    """Run it with a timer and two workers, on PostgreSQL and RabbitMQ."""
    bank = Bank()
    production = Production(
        folder,
        database_url,
        rabbitmq_url,
        ("worker", "worker-2", "timer", "timer-2"),
        SETTLEMENT_URL=bank.url,
        SETTLEMENT_RATE_PER_SECOND=str(rate_per_second),
        RETRY_BASE_SECONDS=str(BACKOFF_SECONDS),
        RETRY_MAX_SECONDS=str(BACKOFF_SECONDS),
        TIMER_INTERVAL_SECONDS="1",
    )
    try:
        production.flask("db", "upgrade")
        write_backlog(create_app({**os.environ, **production.environment}), tasks)
        production.start()
        return _measure(bank, production, tasks, rate_per_second)
    finally:
        production.close()
        bank.stop()


def _measure(bank: Bank, production: Production, tasks: int, rate_per_second: float) -> Drained:
    engine = create_engine(production.database_url)
    opened = text("SELECT count(*) FROM circuits WHERE state <> 'closed'")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as database:
        assert poll_until(lambda: database.execute(opened).scalar_one(), within_seconds=60)
        poll_until(lambda: False, within_seconds=OUTAGE_SECONDS)
        calls_while_down = len(bank.calls)
        bank.down = False
        up_at = time.monotonic()
        enough_seconds = 120 + 2 * tasks / rate_per_second
        assert poll_until(lambda: len(bank.settled) == tasks, within_seconds=enough_seconds), len(bank.settled)
        failed = database.execute(text("SELECT count(*) FROM tasks WHERE state = 'failed'")).scalar_one()
    engine.dispose()
    times = sorted(bank.settled.values())
    return Drained(
        tasks=tasks,
        rate_per_second=rate_per_second,
        calls_while_down=calls_while_down,
        first_success_after_seconds=round(times[0] - up_at, 2),
        began_after_seconds=round(times[1] - times[0], 2),
        drained_after_seconds=round(times[-1] - times[0], 1),
        most_calls_in_a_second=bank.most_in_a_second(),
        failed_tasks=failed,
    )
