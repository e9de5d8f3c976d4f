"""The database and the broker to measure on: private PostgreSQL and RabbitMQ, or SQLite and the in-process broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.servers import postgres, rabbitmq


@dataclass(frozen=True, slots=True)
class Servers:
    """What both contestants run on.

    Args:
        title: For the report.
        remark: What the reader has to know beside it, or empty.
        new_database: Makes an empty database of this name and returns its SQLAlchemy URL.
        rabbitmq_url: Empty for the broker inside the worker's process.
        pids: The servers' processes, by what they are.

    """

    title: str
    remark: str
    new_database: Callable[[str], str]
    rabbitmq_url: str
    pids: Mapping[str, int]


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Start PostgreSQL (every commit reaches the disk) and RabbitMQ; SQLite in `folder` where one isn't installed."""
    programs, broker_programs = postgres.find(), rabbitmq.find()
    if programs is None or broker_programs is None:
        missing = "PostgreSQL" if programs is None else "RabbitMQ"
        yield Servers(
            title="SQLite (synchronous FULL), broker inside the worker's process",
            remark=f"{missing} is not installed (`make services`), so this is not the form for production.",
            new_database=lambda name: f"sqlite:///{folder / name}.db",
            rabbitmq_url="",
            pids={},
        )
        return
    with (
        postgres.PostgresServer(programs, durable=True) as database,
        rabbitmq.RabbitmqServer(broker_programs) as broker,
    ):
        yield Servers(
            title=f"PostgreSQL {_version(database.url)} (fsync, synchronous_commit and full_page_writes on), RabbitMQ",
            remark="",
            new_database=lambda _: database.create_database(),
            rabbitmq_url=broker.url,
            pids={"database": database.pid, "broker": broker.pid},
        )


def _version(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        version = str(connection.execute(text("SHOW server_version")).scalar_one()).split()[0]
    engine.dispose()
    return version
