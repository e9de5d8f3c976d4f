"""What waited for a system through an outage is done as soon as it is back, within its agreed rate (T33, T34)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drain.run import drain
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer


@pytest.mark.timeout(180)
def test_a_backlog_is_drained_within_the_rate_and_at_once(
    tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> None:
    rabbitmq_server.reset_vhost()
    url = postgres_server.create_database()
    done = drain(600, 30, tmp_path, url, rabbitmq_server.url)
    postgres_server.drop_database(url)
    assert done.calls_while_down <= 25, done  # the ten that opened the circuit, those under way, a few probes
    assert done.as_promised, done
    assert done.drained_after_seconds <= 2 * 600 / 30, done
