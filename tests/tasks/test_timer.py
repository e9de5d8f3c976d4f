"""The timer: survives the loss of the database, and whatever a round of its works raises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text, update
from structlog.testing import capture_logs

from orderapp import create_app
from orderapp.config import ROOT
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.models import Base, Step, SwitchMode, Task
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.engine.run_task import run_task
from orderapp.services.resilience.switches import switch_system
from tasks.actors import declare_actor
from tasks.broker import make_broker
from tasks.heartbeat import BEAT_SECONDS
from tasks.relay import relay_until
from tasks.timer import look_after_systems_until, recover_until
from tests.servers.loopback import free_port, poll_until
from tests.servers.postgres import PostgresServer
from tests.services.scripted import Killed, Scripted, answers, dies
from tests.services.shop import Shop
from tests.tasks.conftest import SETTINGS

TIMER = ("-m", "tasks.timer")
# What the relay is given here breaks it as nothing that anybody foresaw does.
BROKEN_RELAY = """
from threading import Event
from tasks.relay import RelayInWorker
RelayInWorker(None, None).after_worker_boot(None, None)
Event().wait(10)
"""
AWAY, BACK = "timer.database_unavailable", "timer.recovered"


@contextmanager
def in_thread(work: Callable[..., None], *arguments: Any) -> Iterator[threading.Thread]:
    """Run a work that ends when it is told to stop, for as long as the block."""
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop, *arguments))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def postgres_shop(postgres_server: PostgresServer, systems: dict[str, Scripted]) -> Iterator[Shop]:
    url = postgres_server.create_database()
    app = create_app({**SETTINGS, "DATABASE_URL": url, "TIMER_INTERVAL_SECONDS": "0.05"})
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield Shop(app, app.extensions["orderapp.settings"]).stocked().with_systems(*systems.values())
        db.engine.dispose()
    postgres_server.drop_database(url)


def killed_worker(shop: Shop, bank: Scripted) -> Task:
    """Place an order whose settlement's worker dies; its lease has run out."""
    bank.acts.append(dies)
    task = shop.tasks(shop.submit().order.id, kind="settle")[0]
    with pytest.raises(Killed):
        run_task(task.id, shop.settings)
    shop.let_task_leases_lapse()
    return task


def test_it_closes_an_order_that_was_left_open_and_holds_nothing(
    postgres_shop: Shop, systems: dict[str, Scripted]
) -> None:
    shop = postgres_shop
    shop.cancel(shop.submit().order.id)
    with writing() as session:
        session.execute(update(Step).values(state="compensated"))
        session.execute(update(Task).values(state="done", lease_until=None, due_at=None, publish_at=None))
    with in_thread(recover_until, shop.app, shop.settings):
        assert poll_until(lambda: shop.the_order().state is OrderState.CANCELLED, within_seconds=10)


def test_timer_and_relay_go_on_after_the_database_was_away(
    postgres_shop: Shop, postgres_server: PostgresServer, systems: dict[str, Scripted]
) -> None:
    shop = postgres_shop
    broker = make_broker(shop.settings, shop.app)
    declare_actor(broker, shop.app, shop.settings)
    recovering, relaying = (recover_until, shop.app, shop.settings), (relay_until, broker, shop.app, shop.settings)
    with capture_logs() as lines, in_thread(*recovering) as timer, in_thread(*relaying) as relay:
        killed_worker(shop, systems["bank"])
        assert poll_until(lambda: shop.task(kind="settle").state == "waiting", within_seconds=10)
        postgres_server.stop("immediate")
        assert poll_until(lambda: any(line["event"] == AWAY for line in lines), within_seconds=10)
        with pytest.raises(DatabaseUnavailable):
            shop.submit()
        postgres_server.start()
        task = killed_worker(shop, systems["bank"])
        assert poll_until(lambda: shop.tasks(id=task.id)[0].state == "waiting", within_seconds=10)
        assert timer.is_alive()
        assert relay.is_alive()
    told = [line["event"] for line in lines if line["event"] in (AWAY, BACK)]
    assert told[:2] == [AWAY, BACK], "once, however many rounds failed"


def test_what_waits_for_a_system_that_is_well_again_goes_on(shop: Shop, systems: dict[str, Scripted]) -> None:
    bank = systems["bank"]
    bank.acts.append(answers(Outcome.UNKNOWN, "http_503"))
    shop.submit()
    task = shop.task(kind="settle")
    run_task(task.id, shop.settings)
    shop.let_time_pass(-3600)
    for mode in (SwitchMode.PAUSED, SwitchMode.ON):
        switch_system(bank.name, mode, COMMAND_LINE, "down and up again", shop.settings)
    with in_thread(look_after_systems_until, shop.app, shop.settings):
        assert poll_until(lambda: (shop.seconds_until_due(task.id) or 0) < 60, within_seconds=10)


def test_a_failing_system_is_asked_whether_it_is_well_again(shop: Shop, systems: dict[str, Scripted]) -> None:
    bank = systems["bank"]
    bank.backoff = replace(bank.backoff, attempts=100)
    bank.acts.extend([answers(Outcome.UNKNOWN, "http_503")] * 10)
    shop.submit()
    while shop.circuit(bank.name) is None:
        shop.make_due()
        run_task(shop.task(kind="settle").id, shop.settings)

    def state() -> str:
        circuit = shop.circuit(bank.name)
        return circuit.state if circuit else ""

    assert state() == "open"
    with in_thread(look_after_systems_until, shop.app, shop.settings):
        assert poll_until(lambda: state() == "half_open", within_seconds=10)


def test_a_worker_without_a_database_drops_its_hints(systems: dict[str, Scripted]) -> None:
    app = create_app({**SETTINGS, "DATABASE_URL": f"postgresql+psycopg://127.0.0.1:{free_port()}/none"})
    settings = replace(app.extensions["orderapp.settings"], rabbitmq_urls=())
    run = declare_actor(make_broker(settings, app), app, Shop(app, settings).with_systems(*systems.values()).settings)
    for _ in range(6):  # more than there are slots
        run([1], systems["bank"].name)
    assert systems["bank"].calls == []


@pytest.fixture
def start_timer() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m tasks.timer`; what hasn't ended with the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(database_url: str, command: Sequence[str] = TIMER, **environment: str) -> subprocess.Popen[str]:
        variables = {
            **SETTINGS,
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "INVENTORY_URL": "http://127.0.0.1:1",
            "SETTLEMENT_URL": "http://127.0.0.1:1",
            "TIMER_INTERVAL_SECONDS": "0.1",
            **environment,
        }
        started.append(
            subprocess.Popen([sys.executable, *command], cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for timer in started:
        timer.kill()
        timer.communicate()


StartTimer = Callable[..., subprocess.Popen[str]]


def migrated(url: str, *changes: str) -> None:
    """Make the tables, then change them."""
    engine = create_engine(url)
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        for change in changes:
            connection.execute(text(change))
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "column"), [("cart_locks", "expires_at"), ("tasks", "publish_at")], ids=["recover", "relay"]
)
def test_a_timer_goes_on_after_a_round_that_raised_and_says_so(
    postgres_server: PostgresServer, start_timer: StartTimer, table: str, column: str
) -> None:
    url = postgres_server.create_database()
    # Nothing that anybody foresaw: a time that isn't one.
    migrated(url, f"ALTER TABLE {table} ALTER {column} TYPE text")
    timer = start_timer(url, RABBITMQ_URL=f"amqp://127.0.0.1:{free_port()}/")
    engine = create_engine(url)

    def skipped() -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(text("SELECT item, cause FROM skipped_items WHERE kind = 'loop'")))

    assert poll_until(lambda: bool(skipped()), within_seconds=30)
    assert timer.poll() is None
    timer.send_signal(signal.SIGTERM)
    _output, errors = timer.communicate(timeout=20)
    assert (timer.returncode, "UndefinedFunction" in errors) == (0, True)
    assert [cause for _item, cause in skipped()] == ["ProgrammingError"]
    engine.dispose()
    postgres_server.drop_database(url)


def test_a_timer_ends_in_order_when_told_to(tmp_path: Path, start_timer: StartTimer) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    migrated(url)
    timer = start_timer(url, RABBITMQ_URL=f"amqp://127.0.0.1:{free_port()}/")
    assert timer.stderr is not None
    assert "timer.started" in timer.stderr.readline()
    timer.send_signal(signal.SIGTERM)
    _output, errors = timer.communicate(timeout=20)
    assert (timer.returncode, "timer.stopped" in errors) == (0, True)


def test_a_timer_beats_as_long_as_it_runs(tmp_path: Path, start_timer: StartTimer) -> None:
    url, file = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "alive"
    migrated(url)
    # It beats however seldom it looks.
    start_timer(url, HEARTBEAT_FILE=str(file), TIMER_INTERVAL_SECONDS="3600")
    assert poll_until(file.exists, within_seconds=30)
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    assert poll_until(file.exists, within_seconds=3 * BEAT_SECONDS)


@pytest.mark.parametrize("slots", ["0", "many", "1.5"])
def test_a_wrong_number_of_slots_ends_the_start_with_one_line(
    tmp_path: Path, start_timer: StartTimer, slots: str
) -> None:
    timer = start_timer(f"sqlite:///{tmp_path / 'orders.db'}", WORKER_SLOTS_PER_SYSTEM=slots)
    _output, errors = timer.communicate(timeout=30)
    assert timer.returncode == 1
    assert errors.startswith("orderapp: WORKER_SLOTS_PER_SYSTEM: ")
    assert errors.count("\n") == 1


def test_a_worker_whose_relay_fails_ends(tmp_path: Path, start_timer: StartTimer) -> None:
    """Nobody would tell it of tasks any more; its supervisor starts another."""
    worker = start_timer(f"sqlite:///{tmp_path / 'orders.db'}", ("-c", BROKEN_RELAY))
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGTERM
