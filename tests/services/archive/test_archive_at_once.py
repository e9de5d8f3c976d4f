"""An archive and somebody else at the same order: it leaves whole, or it stays and goes on; never half, never lost.

On PostgreSQL only: SQLite has one writer at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from bench.growth.seeding import OPEN_ORDERS, seed
from orderapp.domain.outcome import Outcome
from orderapp.errors import NotFound, OrderappError, WrongState
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.orders.views import OrderView
from tests.services.archives import DAY, archived, let_days_pass, numbers_in, rows_left
from tests.services.listening import reconciled
from tests.services.scripted import OneOfEach, answers
from tests.services.shop import Shop
from tests.services.tampering import mismatches
from tests.services.test_interleaving import MOST_STATEMENTS, Interleaving

Deed = Callable[[OrderView], object]


@pytest.fixture
def database_url(postgres_database: str) -> str:
    return postgres_database


def every_moment(shop: Shop, make: Callable[[], OrderView], other: Deed, tmp_path: Path) -> int:
    """Archive an old order while somebody is at it, before each statement; return how often it left."""
    left = 0
    for statement in range(1, MOST_STATEMENTS):
        order, file, refused = make(), tmp_path / f"{statement}.jsonl", []
        let_days_pass()

        def deed(order: OrderView = order, refused: list[OrderappError] = refused) -> None:
            try:
                other(order)
            except (NotFound, WrongState) as error:
                refused.append(error)

        reached = Interleaving(shop, deed, statement).run(lambda file=file: archived(shop, file))  # type: ignore[misc]
        shop.work_until_quiet_but_for_staff()
        if file.read_bytes():
            left += 1
            assert numbers_in(file) == [order.number]
            assert rows_left() == {}
            assert refused or not reached, "it left, and nobody was told"
        else:
            assert not refused
            let_days_pass()
            assert archived(shop, file).orders == 1
        if not reached:
            return left
    raise AssertionError("the archive never came to its end")


def test_a_customer_cancels_while_the_order_leaves(busy_shop: Shop, tmp_path: Path) -> None:
    def make() -> OrderView:
        order = busy_shop.submit().order
        busy_shop.work_until_quiet_but_for_staff()
        return order

    assert every_moment(busy_shop, make, lambda order: busy_shop.cancel(order.id), tmp_path) > 5


def test_a_customer_tries_again_while_the_order_leaves(busy_shop: Shop, systems: OneOfEach, tmp_path: Path) -> None:
    def make() -> OrderView:
        systems.stock.acts.append(answers(Outcome.REFUSED, repeatable=False))
        order = busy_shop.submit().order
        busy_shop.work_until_quiet_but_for_staff()
        return order

    assert every_moment(busy_shop, make, lambda order: busy_shop.retry(order.id), tmp_path) > 5


def test_staff_cancel_while_the_order_leaves(busy_shop: Shop, tmp_path: Path) -> None:
    def make() -> OrderView:
        order = busy_shop.submit().order
        busy_shop.work_until_quiet_but_for_staff()
        return order

    def cancel(order: OrderView) -> None:
        task_actions.cancel_order(order.id, COMMAND_LINE, "they called", busy_shop.settings)

    assert every_moment(busy_shop, make, cancel, tmp_path) > 5


def test_two_archives_at_once_share_the_orders(empty_shop: Shop, database_url: str, tmp_path: Path) -> None:
    engine = create_engine(database_url)
    seed(engine, 3000)
    engine.dispose()
    files = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]

    def run(file: Path) -> int:
        with empty_shop.app.app_context():
            return archived(empty_shop, file).orders

    before = empty_shop.order_count()
    with ThreadPoolExecutor(2) as pool:
        moved = sum(pool.map(run, files))
    numbers = [number for file in files for number in numbers_in(file)]
    assert moved == len(numbers) == len(set(numbers)) == before - empty_shop.order_count()
    # Of the thirteen months in which they were placed, three stay; and what is open, which is the newest.
    assert 2200 < moved < 2400
    assert empty_shop.order_count() > OPEN_ORDERS


def test_a_second_archive_into_the_same_file_waits_for_its_turn(
    busy_shop: Shop, systems: OneOfEach, tmp_path: Path
) -> None:
    busy_shop.submit()
    busy_shop.work_until_quiet_but_for_staff()
    let_days_pass()
    file, refusals = tmp_path / "orders.jsonl", []

    def other() -> None:
        try:
            archived(busy_shop, file)
        except OrderappError as error:
            refusals.append(str(error))

    assert Interleaving(busy_shop, other, 2).run(lambda: archived(busy_shop, file))
    assert refusals == [f"{file}: another process adds to it right now"]
    assert len(numbers_in(file)) == 1


def test_a_reconciliation_passes_over_an_order_that_leaves(busy_shop: Shop, systems: OneOfEach, tmp_path: Path) -> None:
    for statement in range(1, MOST_STATEMENTS):
        busy_shop.submit()
        busy_shop.work_until_quiet_but_for_staff()
        let_days_pass()
        systems.stock.in_place.clear()  # it differs: where it stays, a mismatch is found
        file = tmp_path / f"{statement}.jsonl"
        archive = partial(archived, busy_shop, file)
        reached = Interleaving(busy_shop, archive, statement).run(partial(reconciled, busy_shop, 400 * DAY))
        if not file.read_bytes():  # the mismatch was written down before
            assert [one.state for one in mismatches()] == ["open"]
            assert statement > 10
            return
        assert reached
        assert rows_left().keys() == {"reconciliations"}
    raise AssertionError("no mismatch was ever found")
