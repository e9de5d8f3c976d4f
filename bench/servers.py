"""The database and the broker to measure on: private PostgreSQL and RabbitMQ, or SQLite and the in-process broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine, text

from bench.database_work import DatabaseMeter
from tests.servers import postgres, rabbitmq
from tests.servers.process import ServerDiedError

SQLITE_TITLE = "SQLite (synchronous FULL), broker inside the worker's process, one web and one worker process"


@dataclass(frozen=True, slots=True)
class Servers:
    """What all contestants run on.

    Args:
        title: For the report.
        new_database: Makes an empty database of this name and returns its SQLAlchemy URL.
        rabbitmq_url: Empty for the broker inside the worker's process.
        pids: The servers' processes, by what they are.
        meter: Reads the database's work; None if the server keeps no statistics of it.
    """

    title: str
    new_database: Callable[[str], str]
    rabbitmq_url: str = ""
    pids: Mapping[str, int] = field(default_factory=dict)
    meter: DatabaseMeter | None = None

    @property
    def for_production(self) -> bool:
        """Whether it is the form for production; else it is that of `make run`."""
        return bool(self.rabbitmq_url)


@contextmanager
def production_servers() -> Iterator[Servers]:
    """Run PostgreSQL (every commit reaches the disk) and RabbitMQ inside the block.

    Raises:
        ServerDiedError: one of them isn't installed, or didn't start.
    """
    programs, broker_programs = postgres.find(), rabbitmq.find()
    if programs is None or broker_programs is None:
        missing = "PostgreSQL" if programs is None else "RabbitMQ"
        raise ServerDiedError(f"{missing} is not installed (`make services`); BENCH_FORM=sqlite needs neither")
    with (
        postgres.PostgresServer(programs, durable=True) as database,
        rabbitmq.RabbitmqServer(broker_programs) as broker,
        closing(DatabaseMeter(database.url, counts_statements=_count_statements(database))) as meter,
    ):
        yield Servers(
            title=f"PostgreSQL {_asked(database.url, 'SHOW server_version').split()[0]} "
            "(fsync, synchronous_commit and full_page_writes on), RabbitMQ",
            new_database=lambda _: database.create_database(),
            rabbitmq_url=broker.url,
            pids={"database": database.pid, "broker": broker.pid},
            meter=meter,
        )


@contextmanager
def sqlite_servers(folder: Path) -> Iterator[Servers]:
    """Keep the databases as files in `folder`, as `make run` does."""
    yield Servers(title=SQLITE_TITLE, new_database=lambda name: f"sqlite:///{folder / name}.db")


def _count_statements(database: postgres.PostgresServer) -> bool:
    """Let the server count statements, where it has what that takes; return whether it does."""
    has_it = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_stat_statements'"
    if _asked(database.url, has_it) == "0":
        return False
    _asked(database.url, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    database.stop()
    database.start()
    _asked(database.url, "CREATE EXTENSION pg_stat_statements")
    return True


def _asked(url: str, statement: str) -> str:
    """Run a statement outside of a transaction and return the first value of its answer; empty where it has none."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        answer = connection.execute(text(statement))
        value = str(answer.scalar()) if answer.returns_rows else ""
    engine.dispose()
    return value
