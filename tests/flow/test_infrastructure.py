"""What we stand on fails: the database, its disk, the broker's memory, the name service.

Each time: a clear answer to the customer, nothing half-written, and all is well again without the restart of a process.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import create_engine, text

from tests.flow.clients import Answered, Clients
from tests.flow.effect_ledger import connected, differences, wait_until_quiet
from tests.flow.production import Production
from tests.servers.loopback import poll_until
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

KEYS = itertools.count(1)
BALLOON = "balloon"  # what fills the disk
DISK_MEGABYTES = 32
# A customer who gets no order still gets an answer: this long is what the product's own limits come to, and some.
ANSWER_SECONDS = 15.0


class Shop:
    """One installation that runs through all tests of this module: nothing is ever restarted but what failed."""

    def __init__(self, production: Production, token: str, names_unknown: Path) -> None:
        self.production = production
        self.names_unknown = names_unknown
        self.clients = Clients(production.base_url, token, seed=1)
        self._token = token

    def submit(self, key: str, content: dict[str, Any]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
        url = f"{self.production.base_url}/api/v1/orders"
        return requests.post(url, json=content, headers=headers, timeout=ANSWER_SECONDS)

    def orders(self) -> int:
        with connected(self.production) as connection:
            return int(connection.execute(text("SELECT count(*) FROM orders")).scalar_one())

    def is_well(self) -> None:
        """Everything under way ends well, all books agree, and every process is the one that was started."""
        answered: Answered = self.clients.place_one(self.clients.plain_content())
        assert (answered.status, answered.order["state"]) == (201, "confirmed")
        wait_until_quiet(self.production, within_seconds=40)
        assert differences(self.production) == []
        assert all(self.production.is_running(name) for name in ("web", "worker", "timer"))


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer, rabbitmq_server: RabbitmqServer
) -> Iterator[Shop]:
    rabbitmq_server.reset_vhost()
    url, folder = postgres_server.create_database(), tmp_path_factory.mktemp("infrastructure")
    broker_url = rabbitmq_server.url.replace("127.0.0.1", "localhost")
    by_name = {"PYTHONPATH": str(Path(__file__).parent / "name_service"), "NAMES_UNKNOWN": str(folder / "unknown")}
    made = Production(folder, url, broker_url, **by_name)
    for name in ("INVENTORY_URL", "COUPON_URL", "MEMBERSHIP_URL", "SETTLEMENT_URL", "SMS_URL"):
        made.environment[name] = made.environment[name].replace("127.0.0.1", "localhost")
    token = made.set_up()
    made.start()
    yield Shop(made, token, folder / "unknown")
    made.close()
    postgres_server.drop_database(url)


def new_key() -> str:
    return f"key-{next(KEYS)}"


def test_a_database_that_is_away_is_a_clear_503_and_the_same_key_places_the_order_once_it_is_back(
    shop: Shop, postgres_server: PostgresServer
) -> None:
    shop.is_well()
    before, key, content = shop.orders(), new_key(), shop.clients.plain_content()
    base_url = shop.production.base_url
    postgres_server.stop("immediate")
    try:
        answer = shop.submit(key, content)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        page = requests.get(f"{base_url}/", timeout=ANSWER_SECONDS)
        assert (page.status_code, "Traceback" in page.text, "psycopg" in page.text) == (503, False, False)
        assert requests.get(f"{base_url}/readyz", timeout=ANSWER_SECONDS).status_code == 503
        assert requests.get(f"{base_url}/healthz", timeout=ANSWER_SECONDS).status_code == 200
    finally:
        postgres_server.start()
    assert poll_until(lambda: shop.submit(key, content).status_code in (200, 201), within_seconds=20)
    assert shop.orders() == before + 1
    shop.is_well()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of a few megabytes."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a full disk needs one of its own, and here none can be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Write until the disk is full."""
    with (folder / BALLOON).open("wb", buffering=0) as balloon:
        try:
            while True:
                balloon.write(bytes(65_536))
        except OSError:
            return


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_is_a_clear_503_and_leaves_nothing_half_written(
    shop: Shop, postgres_server: PostgresServer
) -> None:
    folder = postgres_server.create_folder("small-disk")
    with small_disk(folder), on_that_disk(shop, postgres_server, folder):
        shop.is_well()
        fill(folder)
        before = shop.orders()
        # Pages that are there already take some orders still.
        refused = None
        for _ in range(300):
            key, content = new_key(), shop.clients.plain_content()
            refused = shop.submit(key, content)
            if refused.status_code == 503:
                break
            before += 1
        assert refused is not None
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        (folder / BALLOON).unlink()
        assert poll_until(lambda: shop.submit(key, content).status_code in (200, 201, 503), within_seconds=20)
        shop.is_well()


@contextmanager
def on_that_disk(shop: Shop, server: PostgresServer, folder: Path) -> Iterator[None]:
    """The installation's tables lie there meanwhile; its processes go on, and find their connections cut."""
    name = shop.production.database_url.rpartition("/")[2]
    (folder / "tables").mkdir()
    server.hand_over(folder / "tables")
    _as_superuser(server, f"CREATE TABLESPACE small LOCATION '{folder / 'tables'}'")
    _move(server, name, "small")
    try:
        yield
    finally:
        (folder / BALLOON).unlink(missing_ok=True)
        _move(server, name, "pg_default")
        _as_superuser(server, "DROP TABLESPACE small")


def _move(server: PostgresServer, database: str, tablespace: str) -> None:
    """Move a database, for which nobody may be connected to it."""
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    _as_superuser(server, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false", cut)
    _as_superuser(server, f"ALTER DATABASE {database} SET TABLESPACE {tablespace}")
    _as_superuser(server, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")


def _as_superuser(server: PostgresServer, *statements: str) -> None:
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_broker_that_blocks_publishers_holds_up_no_order_and_nothing_is_forgotten(
    shop: Shop, rabbitmq_server: RabbitmqServer
) -> None:
    rabbitmq_server.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        started = time.monotonic()
        placed = [shop.clients.place_one(shop.clients.plain_content()) for _ in range(5)]
        assert {answered.status for answered in placed} == {201}
        assert time.monotonic() - started < ANSWER_SECONDS
        relay_says = shop.production.log("timer")
        assert poll_until(lambda: "relay.failing" in relay_says.read_text(), within_seconds=20)
    finally:
        rabbitmq_server.ctl("set_vm_memory_high_watermark", "0.4")
    shop.is_well()


def test_names_that_cannot_be_resolved_fail_the_order_with_nothing_sent_and_are_known_again_later(shop: Shop) -> None:
    # Connections that are open know where they lead; only new ones need a name.
    shop.names_unknown.touch()
    try:
        shop.production.sandbox.stop()
        shop.production.sandbox.start()
        answer = shop.submit(new_key(), shop.clients.plain_content())
        assert (answer.status_code, answer.json()["code"]) == (503, "system_unavailable")
        assert answer.json()["system"] == "inventory"
        assert answer.json()["order"]["state"] == "failed", "nothing was sent, so nothing is held"
    finally:
        shop.names_unknown.unlink()
    shop.is_well()
