"""The relay, the actor and the timer as the processes use them, with both brokers."""

from __future__ import annotations

import gc
import logging
import os
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import dramatiq
import pytest
import structlog

from orderapp import create_app
from orderapp.extensions import db
from orderapp.systems.base import Part
from tests.servers.loopback import poll_until
from tests.servers.rabbitmq import RabbitmqServer
from tests.servers.tables import create_tables
from tests.services.scripted import Scripted
from tests.services.shop import Shop

SETTINGS = {
    "SECRET_KEY": "a secret for tests alone, and long enough",
    "RETRY_BASE_SECONDS": "0.01",
    "RETRY_MAX_SECONDS": "0.02",
}

# The package wires a whole process when it is imported, by the environment, the logs included; tests make their own.
_handlers, _level = list(logging.getLogger().handlers), logging.getLogger().level
with mock.patch.dict(
    os.environ, {**SETTINGS, "INVENTORY_URL": "http://127.0.0.1:1", "SETTLEMENT_URL": "http://127.0.0.1:1"}
):
    from tasks.actors import declare_actor
    from tasks.broker import make_broker
    from tasks.relay import relay_once
logging.getLogger().handlers[:] = _handlers
logging.getLogger().setLevel(_level)
structlog.reset_defaults()


@dataclass(frozen=True)
class Worker:
    """A worker process's threads, and what they are sent."""

    shop: Shop
    broker: dramatiq.Broker
    threads: dramatiq.Worker

    def tell(self) -> int:
        """Do what the relay does in one round; return how many hints were published."""
        return relay_once(self.broker, self.shop.settings)


@pytest.fixture
def systems() -> dict[str, Scripted]:
    """A blocking system, one to settle, two to notify; under names, and so with queues, that no other test has."""

    def name(word: str) -> str:
        return word + "".join(random.choices(string.ascii_lowercase, k=8))

    return {
        "stock": Scripted(name("stock")),
        "bank": Scripted(name("bank"), Part.SETTLE),
        "mail": Scripted(name("mail"), Part.NOTIFY),
    }


@pytest.fixture
def shop(tmp_path: Path, systems: dict[str, Scripted]) -> Iterator[Shop]:
    app = create_app({**SETTINGS, "DATABASE_URL": f"sqlite:///{tmp_path / 'orders.db'}"})
    with app.app_context():
        create_tables(db.engine)
        yield Shop(app, app.extensions["orderapp.settings"]).stocked().with_systems(*systems.values())
        db.engine.dispose()


@pytest.fixture
def start_worker(shop: Shop) -> Iterator[Callable[..., Worker]]:
    """Starts a worker on the in-process broker (no address) or on RabbitMQ."""
    started: list[Worker] = []

    def start(*rabbitmq_urls: str, slots: int = 4, threads: int = 8) -> Worker:
        # With the jobs that the application knows by now.
        knowing = shop.with_settings(jobs=shop.app.extensions["orderapp.settings"].jobs)
        settings = replace(knowing.settings, rabbitmq_urls=rabbitmq_urls)
        broker = make_broker(settings, shop.app)
        declare_actor(broker, shop.app, settings, slots)
        # A tenth of a second: how soon a thread without work looks whether it is to stop.
        worker = Worker(knowing, broker, dramatiq.Worker(broker, worker_threads=threads, worker_timeout=100))
        started.append(worker)
        worker.threads.start()
        return worker

    yield start
    for worker in started:
        worker.threads.stop()
        worker.broker.close()
    gc.collect()  # what a broker left behind is this test's, not a later one's


@pytest.fixture(params=["in_process", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def broker_urls(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """No address for the broker inside the process, or RabbitMQ's."""
    if request.param == "in_process":
        return ()
    server: RabbitmqServer = request.getfixturevalue("rabbitmq_server")
    return (server.url,)


@pytest.fixture
def worker(start_worker: Callable[..., Worker], broker_urls: tuple[str, ...]) -> Worker:
    return start_worker(*broker_urls)


def tell_until(worker: Worker, condition: Callable[[], Any]) -> bool:
    """Relay until the condition holds; False if it doesn't within ten seconds."""

    def told() -> bool:
        worker.tell()
        return bool(condition())

    return poll_until(told, within_seconds=10)
