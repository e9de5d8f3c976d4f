"""Connections that are lost, given up or stale: the next use works, none stays behind, and no result is thrown away."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, create_engine, text

from orderapp.domain.orders import Effect
from orderapp.domain.retry import Guarantee
from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.services.db.transactions import give_up_connections, listening_connection, reading
from orderapp.services.engine.batch import Together
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.views import find_order
from orderapp.systems.base import Part
from tests.services.scripted import Scripted
from tests.services.shop import Shop

THREADS = 4


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


@pytest.fixture
def server(empty_shop: Shop) -> Iterator[Engine]:
    """The database as somebody else sees it."""
    engine = create_engine(db.engine.url, isolation_level="AUTOCOMMIT", connect_args={"application_name": "watch"})
    yield engine
    engine.dispose()


@contextmanager
def no_garbage_collected() -> Iterator[None]:
    """As in the product's processes, where what stays is hardly ever looked at."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'watch'"


def connections(server: Engine) -> int:
    with server.connect() as watching:
        return int(watching.execute(text(f"SELECT count(*) {OURS}")).scalar_one())


def cut_all(server: Engine) -> None:
    with server.connect() as watching:
        watching.execute(text(f"SELECT pg_terminate_backend(pid) {OURS}"))


def test_where_nobody_may_listen_no_connection_is_kept(empty_shop: Shop) -> None:
    # As at a standby that isn't promoted yet.
    with no_garbage_collected():
        before = db.engine.pool.checkedout()  # type: ignore[attr-defined]
        for _ in range(3):
            with pytest.raises(Exception, match="syntax error"):
                listening_connection("no channel")
        assert db.engine.pool.checkedout() == before  # type: ignore[attr-defined]


def test_connections_that_are_given_up_in_the_middle_of_their_use_do_not_stay_open(
    empty_shop: Shop, server: Engine
) -> None:
    begun, may_end = threading.Barrier(THREADS + 1), threading.Barrier(THREADS + 1)

    def use() -> None:
        with empty_shop.app.app_context(), reading() as session:
            session.execute(text("SELECT 1"))
            begun.wait()
            may_end.wait()

    with no_garbage_collected(), ThreadPoolExecutor(THREADS) as pool:
        for _ in range(4):
            using = [pool.submit(use) for _ in range(THREADS)]
            begun.wait()
            give_up_connections()
            may_end.wait()
            for one in using:
                one.result()
        assert connections(server) <= THREADS + 2


@contextmanager
def widened(server: Engine) -> Iterator[None]:
    """Change a column's type, as a migration may while processes of the release before go on."""
    with server.connect() as owner:
        owner.execute(text("ALTER TABLE orders ALTER COLUMN customer_name TYPE varchar(201)"))
        try:
            yield
        finally:
            owner.execute(text("ALTER TABLE orders ALTER COLUMN customer_name TYPE varchar(200)"))
            db.engine.dispose()


def refused(deed: Callable[[], object]) -> bool:
    try:
        deed()
    except DatabaseUnavailable:
        return True
    return False


@pytest.mark.parametrize("first", ["read", "run"])
def test_a_column_that_was_widened_is_one_refusal_and_then_past(empty_shop: Shop, server: Engine, first: str) -> None:
    shop = empty_shop.with_systems(Scripted("stock"), Scripted("bank", Part.SETTLE))
    orders = [shop.submit().order for _ in range(8)]
    task_ids = [task.id for task in shop.tasks(state="waiting")]

    def read() -> object:
        return find_order(orders[0].id)

    def run() -> object:
        return run_task(task_ids.pop(), shop.settings)

    for _ in range(4):  # so that both are prepared
        read()
        run()
    with widened(server):
        deeds = [read, run] if first == "read" else [run, read]
        assert [refused(deed) for deed in deeds * 2] == [True, False, False, False]
        assert not refused(shop.submit)


@pytest.mark.parametrize(("part", "guarantee"), [(Part.SETTLE, Guarantee.IDEMPOTENT), (Part.NOTIFY, Guarantee.UNSAFE)])
def test_what_a_system_answered_is_recorded_though_the_connection_was_lost_meanwhile(
    empty_shop: Shop, server: Engine, part: Part, guarantee: Guarantee
) -> None:
    system = Scripted("called", part, guarantee)
    shop = empty_shop.with_systems(Scripted("stock"), system)
    made = Together(system, shop.settings)
    shop.submit()
    made.run([shop.task(system="called").id], lambda: True)
    for _ in range(3):
        shop.submit()
    system.calls.clear()
    # In the middle of the first call, so that what a thread goes on with is a connection it has just used.
    system.before = lambda verb, effect: cut_all(server) if len(system.calls) == 1 else None
    made.run([task.id for task in shop.tasks(state="waiting")], lambda: True)
    assert [task.state for task in shop.tasks(system="called")] == ["done"] * 4
    assert len(system.calls) == 3
    assert sorted(one.number for one in shop.attempts(system="called")) == [1] * 4


def test_what_was_claimed_with_others_and_not_begun_is_given_back_though_the_others_cannot_be_recorded(
    empty_shop: Shop, server: Engine
) -> None:
    bank = Scripted("bank", Part.SETTLE, stores_failures=True)
    shop = empty_shop.with_systems(Scripted("stock"), bank)
    made = Together(bank, shop.settings)
    shop.submit()
    made.run([shop.task(kind="settle").id], lambda: True)
    for _ in range(3):
        shop.submit()
    bank.calls.clear()
    with server.connect() as owner:

        def hide(_verb: str, _effect: Effect) -> None:
            owner.execute(text("ALTER TABLE attempts RENAME TO hidden"))  # nothing can be recorded until it is back

        bank.before = hide
        task_ids = [task.id for task in shop.tasks(state="waiting")]
        try:
            with pytest.raises(DatabaseUnavailable):
                made.run(task_ids, lambda: False)
        finally:
            owner.execute(text("ALTER TABLE hidden RENAME TO attempts"))
    assert len(bank.calls) == 1
    assert [task.state for task in shop.tasks(kind="settle")] == ["done", "running", "waiting", "waiting"]
    assert [task.attempts for task in shop.tasks(kind="settle")] == [1, 1, 0, 0]
