"""Web, worker and timer as they run in production, without the broker. Everything else that fails: tests/chaos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.clients import Clients
from tests.flow.effect_ledger import differences, wait_until_quiet
from tests.flow.production import Production
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer


@pytest.fixture
def production(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> Iterator[Production]:
    rabbitmq_server.reset_vhost()
    url = postgres_server.create_database()
    made = Production(tmp_path, url, rabbitmq_server.url)
    yield made
    made.close()
    postgres_server.drop_database(url)


def test_without_the_broker_orders_are_placed_and_finished_after_its_return(
    production: Production, rabbitmq_server: RabbitmqServer
) -> None:
    clients = Clients(production.base_url, production.set_up(), seed=1)
    production.start()
    rabbitmq_server.stop()
    try:
        answered = clients.place_one(clients.plain_content())
        assert (answered.status, answered.order["state"]) == (201, "confirmed")
    finally:
        rabbitmq_server.start()
    wait_until_quiet(production, within_seconds=30)
    assert differences(production) == []
    assert all(production.is_running(name) for name in ("web", "worker", "timer"))
