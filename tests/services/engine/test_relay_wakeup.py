"""Waking the relay: the word that something is due is heard at once; without it nothing is lost but time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from orderapp.config import ROOT
from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.services.db.transactions import asking, writing
from orderapp.services.engine.relay_wakeup import CHANNEL, EXTENSION, Listener, tell, wake_relay
from orderapp.services.placing.place import Result
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until
from tests.services.conftest import SETTINGS
from tests.services.shop import Shop

LONG_SECONDS = 30.0  # nobody who is woken waits for so long
STOP = threading.Event()
TELLING = """
from orderapp import create_app
from orderapp.services.engine.relay_wakeup import start_telling
start_telling(create_app())
"""
# SQLite has no way to wake anybody.
on_postgresql = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@contextmanager
def listening(shop: Shop) -> Iterator[threading.Event]:
    """Listen in another thread, from before the block begins; set once the wait is over."""
    over, listener = threading.Event(), Listener()
    with shop.app.app_context():
        listener.wait(STOP, 0, 0)

    def listen() -> None:
        with shop.app.app_context():
            listener.wait(STOP, LONG_SECONDS, LONG_SECONDS)
        over.set()

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield over
    finally:
        with shop.app.app_context():
            tell()
        thread.join()
        listener.close()


@on_postgresql
def test_a_process_that_tells_ends_all_the_same(database_url: str) -> None:
    environment = {**os.environ, **SETTINGS, "DATABASE_URL": database_url}
    subprocess.run([sys.executable, "-c", TELLING], cwd=ROOT, env=environment, check=True, timeout=30)


@on_postgresql
def test_whoever_listens_is_woken(shop: Shop) -> None:
    with listening(shop) as over:
        assert not over.wait(0.1)
        tell()
        assert over.wait(5)


@on_postgresql
def test_a_word_said_between_two_waits_is_heard(shop: Shop) -> None:
    listener = Listener()
    listener.wait(STOP, 0, 0)
    tell()
    started = time.monotonic()
    listener.wait(STOP, LONG_SECONDS, 0)
    assert time.monotonic() - started < LONG_SECONDS / 2
    listener.close()


@on_postgresql
def test_a_listener_that_lost_its_connection_says_so_and_listens_again(shop: Shop) -> None:
    listener = Listener()
    listener.wait(STOP, 0, 0)
    with writing() as session:
        session.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN {CHANNEL}'")
        )
    with pytest.raises(DatabaseUnavailable):
        listener.wait(STOP, LONG_SECONDS, 0)
    listener.wait(STOP, 0, 0)
    tell()
    started = time.monotonic()
    listener.wait(STOP, LONG_SECONDS, 0)
    assert time.monotonic() - started < LONG_SECONDS / 2
    listener.close()


@on_postgresql
def test_a_connection_that_has_listened_is_not_used_again(shop: Shop) -> None:
    listener = Listener()
    listener.wait(STOP, 0, 0)
    listener.close()
    db.engine.dispose()
    with asking() as connection:
        listening_still = "SELECT count(*) FROM pg_stat_activity WHERE query = :query AND datname = current_database()"
        count = text(listening_still), {"query": f"LISTEN {CHANNEL}"}
        assert poll_until(lambda: connection.execute(*count).scalar_one() == 0, within_seconds=5)


def test_whatever_a_customer_waits_for_wakes_the_relay(shop: Shop, sandbox: RunningSandbox) -> None:
    due = shop.app.extensions[EXTENSION] = threading.Event()
    try:
        order = shop.submit().order
        assert due.is_set(), "to settle"
        due.clear()
        shop.cancel(order.id)
        assert due.is_set(), "to take back"
        due.clear()
        sandbox.fault("coupon", "refuses")
        assert shop.submit(coupon="WELCOME10").result is Result.REFUSED
        assert due.is_set(), "to release"
    finally:
        del shop.app.extensions[EXTENSION]


def test_without_a_thread_that_tells_nobody_is_told_and_nothing_fails(shop: Shop) -> None:
    wake_relay()
    shop.submit()
    assert len(shop.due()) == 2
