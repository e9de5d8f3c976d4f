"""The timer's third work: a reconciliation a day, that stops when told to and is gone on with."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace

from sqlalchemy import create_engine, select, text

from orderapp.models import Mismatch, Reconciliation
from orderapp.services.db.transactions import reading
from tasks.nightly import reconcile_until
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted
from tests.services.shop import Shop
from tests.tasks.test_timer import StartTimer, in_thread, start_timer

__all__ = ["start_timer"]  # a fixture
DAY = 86_400.0


def finished() -> bool:
    with reading() as session:
        run = session.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(1)).one_or_none()
        return run is not None and run.finished_at is not None


def questions(systems: dict[str, Scripted]) -> int:
    return sum(verb == "ask" for system in systems.values() for verb, _ in system.calls)


def settled_orders_of_the_day_before(shop: Shop, count: int) -> None:
    for _ in range(count):
        shop.submit()
    shop.work_until_quiet()
    shop.age_orders(DAY + 60)


def test_what_the_night_finds_is_kept(shop: Shop, systems: dict[str, Scripted]) -> None:
    settled_orders_of_the_day_before(shop, 2)
    lost = shop.tasks(kind="settle")[0].key
    systems["bank"].in_place[lost] = 0
    systems["bank"].ever_done[lost] = 0
    with in_thread(reconcile_until, shop.app, shop.settings):
        assert poll_until(finished, within_seconds=20)
    with reading() as session:
        [mismatch] = session.scalars(select(Mismatch)).all()
    assert (mismatch.key, mismatch.kind, mismatch.correction) == (lost, "missing effect", "do")


def test_a_night_that_is_told_to_stop_ends_at_once_and_another_timer_goes_on(
    shop: Shop, systems: dict[str, Scripted]
) -> None:
    settled_orders_of_the_day_before(shop, 30)
    stop = threading.Event()
    night = threading.Thread(target=reconcile_until, args=(stop, shop.app, shop.settings))
    night.start()
    assert poll_until(lambda: questions(systems) > 5, within_seconds=20)
    stop.set()
    night.join(2)
    assert not night.is_alive(), "it doesn't wait for its end"
    asked = questions(systems)
    assert asked < 60
    assert not finished()
    with in_thread(reconcile_until, shop.app, shop.settings):
        assert poll_until(finished, within_seconds=20)
    assert questions(systems) <= 62, "at most the order it was at is asked about twice"
    with reading() as session:
        assert '"orders": 30' in session.scalars(select(Reconciliation.counts)).one()


def test_a_night_survives_a_database_that_is_away(shop: Shop, systems: dict[str, Scripted]) -> None:
    settled_orders_of_the_day_before(shop, 1)
    nightly = replace(shop.settings, reconcile_interval_seconds=0.2)
    engine = create_engine(shop.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE reconciliations RENAME TO elsewhere"))
    with in_thread(reconcile_until, shop.app, nightly) as night:
        assert not poll_until(lambda: not night.is_alive(), within_seconds=0.5)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO reconciliations"))
        assert poll_until(finished, within_seconds=20)
    engine.dispose()


def test_a_timer_process_reconciles_unless_that_is_switched_off(shop: Shop, start_timer: StartTimer) -> None:
    settled_orders_of_the_day_before(shop, 1)
    off = start_timer(shop.settings.database_url, RECONCILE_INTERVAL_SECONDS="0")
    assert off.stderr is not None
    assert "timer.started" in off.stderr.readline()
    on = start_timer(shop.settings.database_url)
    assert poll_until(finished, within_seconds=20)
    for timer in (off, on):
        timer.send_signal(signal.SIGTERM)
        timer.communicate(timeout=20)
        assert timer.returncode == os.EX_OK
    with reading() as session:
        assert len(session.scalars(select(Reconciliation)).all()) == 1
