"""Many more orders than can be placed: some are turned away at once, nothing is lost, and it is over when they stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.flow.clients import Clients
from tests.flow.production import Production
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

THREADS = 2  # of each of the two processes
ORDERS = 60
SYSTEM_SECONDS = 0.3


@dataclass(frozen=True)
class Shop:
    """The shop with few threads, and its clients."""

    production: Production
    token: str

    def place(self, content: dict[str, Any]) -> tuple[requests.Response, float]:
        """Send an order once; return the answer and how many seconds it took."""
        key = content["customer"]["email"].partition("@")[0]
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        started = time.monotonic()
        url = f"{self.production.base_url}/api/v1/orders"
        answer = requests.post(url, json=content, headers=headers, timeout=60)
        return answer, time.monotonic() - started


@pytest.fixture
def shop(tmp_path: Path, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer) -> Iterator[Shop]:
    url = postgres_server.create_database()
    threads = {"GUNICORN_CMD_ARGS": f"--threads {THREADS}"}
    production = Production(tmp_path, url, rabbitmq_server.url, ("web",), **threads)
    try:
        token = production.set_up()
        production.start()
        yield Shop(production, token)
    finally:
        production.close()
        postgres_server.drop_database(url)


@pytest.mark.timeout(180)
def test_beyond_capacity_orders_are_refused_at_once_and_none_is_lost(shop: Shop) -> None:
    shop.production.sandbox.fault("inventory", "slow", seconds=SYSTEM_SECONDS)
    clients = Clients(shop.production.base_url, shop.token, seed=1)
    contents = [clients.plain_content() for _ in range(ORDERS)]
    with ThreadPoolExecutor(ORDERS) as threads:
        answers = list(threads.map(shop.place, contents))
    codes = {(answer.status_code, answer.json().get("code", "")) for answer, _seconds in answers}
    assert codes == {(201, ""), (503, "overloaded")}
    refused = [content for content, (answer, _) in zip(contents, answers, strict=True) if answer.status_code == 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer, _ in answers if answer.status_code == 503)

    # Whoever was taken waited for four others at the most; were all taken, the last would wait for fourteen.
    assert (
        max(seconds for answer, seconds in answers if answer.status_code == 201) < ORDERS / 2 / THREADS * SYSTEM_SECONDS
    )
    # It is over at once: pages, and one order after the other under the keys that were refused.
    assert requests.get(shop.production.base_url, timeout=10).status_code == 200
    again = [shop.place(content)[0] for content in refused]
    assert {answer.status_code for answer in again} == {201}
    placed = [answer.json()["order"]["number"] for answer in [*again, *(one for one, _ in answers if one.ok)]]
    assert len(set(placed)) == ORDERS
    assert all(shop.production.sandbox.held(number) == {"inventory": 1} for number in placed)
