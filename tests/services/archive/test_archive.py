"""Orders that ended long ago leave for a file: whole, only when nothing about them is open, and never into nowhere."""

from __future__ import annotations

import resource
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, update

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import Archived, ArchiveUnusable, InvalidRequest, OrderArchived
from orderapp.extensions import db
from orderapp.models import AuditEntry, ManualResolution, Mismatch, Order, Submission, Task, db_now
from orderapp.services.archive.archive import BATCH
from orderapp.services.backoffice import manual_resolutions, task_actions
from orderapp.services.backoffice.case_files import find_order_file
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.shop_views import find_shop_order
from orderapp.systems.registry import Systems
from tests.services.archives import DAY, archived, let_days_pass, numbers_in, orders_in, rows_left
from tests.services.scripted import Killed, Scripted, answers
from tests.services.shop import Shop


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.jsonl"


@pytest.fixture
def old(busy_shop: Shop) -> list[str]:
    """The numbers of a confirmed, a failed and a cancelled order, with all that belongs to such; long ago."""
    shop = busy_shop
    confirmed, cancelled = (shop.submit(coupon="SPRING").order for _ in range(2))
    stock: Any = shop.settings.systems["stock"]
    stock.acts.append(answers(Outcome.REFUSED, repeatable=False))
    failed = shop.submit().order
    shop.work_until_quiet_but_for_staff()
    task_actions.cancel_order(cancelled.id, COMMAND_LINE, "they called", shop.settings)
    shop.work_until_quiet_but_for_staff()
    assert [shop.view(one.id).state.value for one in (confirmed, cancelled, failed)] == [
        "confirmed",
        "cancelled",
        "failed",
    ]
    let_days_pass()
    return sorted(one.number for one in (confirmed, cancelled, failed))


def test_an_order_leaves_with_everything_that_is_known_of_it(busy_shop: Shop, old: list[str], file: Path) -> None:
    with reading() as session:
        before = {order.number: order for order in session.scalars(select(Order))}
        attempts = len(busy_shop.attempts())
    moved = archived(busy_shop, file)
    assert (moved.orders, moved.finished) == (3, True)
    assert rows_left() == {}
    lines = orders_in(file)
    assert sorted(line["order"]["number"] for line in lines) == old
    assert sum(len(line["attempts"]) for line in lines) == attempts
    by_state = {line["order"]["state"]: line for line in lines}
    cancelled = by_state["cancelled"]
    order = before[cancelled["order"]["number"]]
    assert cancelled["order"]["customer_email"] == order.customer_email
    assert cancelled["order"]["total_minor"] == order.total_minor
    assert cancelled["order"]["created_at"] == order.created_at.isoformat()
    assert [line["sku"] for line in cancelled["lines"]] == ["TEA-GREEN"]
    assert [one["act"] for one in cancelled["audit_entries"]] == ["order.cancel"]
    assert {task["kind"] for task in cancelled["tasks"]} == {"settle", "notify", "compensate"}
    assert {step["state"] for step in cancelled["steps"]} == {"compensated"}
    assert len(cancelled["submissions"]) == len(cancelled["placements"]) == 1
    assert file.stat().st_mode & 0o777 == 0o600


def test_where_it_went_is_told_and_who_had_it_done_is_kept(busy_shop: Shop, old: list[str], file: Path) -> None:
    archived(busy_shop, file)
    with pytest.raises(Archived, match=rf"^Order {old[0]} was archived on 20..-..-.., into {file}\.$"):
        find_order_file(old[0])
    with pytest.raises(OrderArchived):
        find_shop_order(old[0])
    with reading() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.act == "orders.archive"))
    assert (entry.actor, str(file) in entry.details) == ("command line", True)


def test_run_again_it_goes_on_in_the_same_file(busy_shop: Shop, old: list[str], file: Path) -> None:
    archived(busy_shop, file)
    later = busy_shop.submit().order
    busy_shop.work_until_quiet_but_for_staff()
    assert archived(busy_shop, file).orders == 0
    let_days_pass()
    assert archived(busy_shop, file).orders == 1
    assert numbers_in(file)[3:] == [later.number]


def _wait(shop: Shop) -> None:
    with writing() as session:
        session.execute(update(Task).where(Task.kind == "settle").values(state="waiting", due_at=db_now(1e6)))


def _give_up(shop: Shop) -> None:
    _wait(shop)
    task_actions.cancel([shop.tasks(kind="settle")[0].id], COMMAND_LINE, "no hope")
    let_days_pass()


def _mark(shop: Shop) -> None:
    with writing() as session:
        session.execute(update(Task).where(Task.kind == "settle").values(state="failed", finished_at=None))
    manual_resolutions.mark(
        [shop.tasks(kind="settle")[0].id],
        manual_resolutions.Resolution.HAPPENED,
        COMMAND_LINE,
        "they say so",
        shop.settings,
    )
    let_days_pass()


def _mismatch(shop: Shop) -> None:
    order, placement = shop.the_order(), shop.placements(shop.the_order().id)[0]
    values = {"key": "K", "kind": "missing effect", "ours": "", "theirs": "", "correction": "", "state": "open"}
    with writing() as session:
        session.execute(
            insert(Mismatch).values(order_id=order.id, placement_id=placement.id, system="stock", found_at=db_now(),
                                 last_seen_at=db_now(), **values)
        )  # fmt: skip


def _set(model: type[Any], **values: Any) -> Callable[[Shop], None]:
    def change(_shop: Shop) -> None:
        with writing() as session:
            session.execute(update(model).values(**values))

    return change


OPEN: dict[str, Callable[[Shop], None]] = {
    "a task waits": _wait,
    "a task failed": _set(Task, state="failed"),
    "a settlement was given up": _give_up,
    "staff's word is unproven": _mark,
    "a mismatch is open": _mismatch,
    "it is compensating": _set(Order, state="compensating", ends_as="failed"),
    "it failed, and something is held": _set(Order, state="failed"),
    "somebody holds it": _set(Submission, lease_until=db_now(60)),
    "it changed yesterday": _set(Order, updated_at=db_now(-DAY)),
    "a task ended yesterday": _set(Task, finished_at=db_now(-DAY)),
    "it was tried again yesterday": _set(Submission, created_at=db_now(-DAY)),
}


@pytest.mark.parametrize("what", OPEN)
def test_an_order_stays_while(busy_shop: Shop, file: Path, what: str) -> None:
    busy_shop.submit()
    busy_shop.work_until_quiet_but_for_staff()
    let_days_pass()
    OPEN[what](busy_shop)
    before = rows_left()
    assert archived(busy_shop, file).orders == 0
    assert rows_left() == before
    assert file.read_bytes() == b""


def test_an_order_leaves_once_staffs_word_and_mismatch_are_settled(busy_shop: Shop, file: Path) -> None:
    busy_shop.submit()
    busy_shop.work_until_quiet_but_for_staff()
    _mismatch(busy_shop)
    _give_up(busy_shop)
    with writing() as session:
        session.execute(update(Mismatch).values(state="gone", gone_at=db_now()))
        session.execute(update(ManualResolution).values(ended_at=db_now(), ended_by="the bank"))
    assert archived(busy_shop, file).orders == 1
    [line] = orders_in(file)
    assert (len(line["manual_resolutions"]), len(line["mismatches"])) == (1, 1)


def test_an_age_at_which_orders_are_still_compared_is_refused(busy_shop: Shop, file: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        archived(busy_shop, file, 30 * DAY)
    assert "at least 31 days" in str(refused.value.errors)
    forgetful = busy_shop.with_settings(
        systems=Systems({"stock": Scripted("stock", key_window_seconds=60 * DAY)}),
    )
    with pytest.raises(InvalidRequest) as refused:
        archived(forgetful, file, 60 * DAY)
    assert "at least 61 days" in str(refused.value.errors)
    assert not file.exists()


@contextmanager
def _dying_at(word: str) -> Iterator[None]:
    """Let the process end where a statement begins with a word."""

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(word):
            raise Killed

    event.listen(db.engine, "before_cursor_execute", die)
    try:
        yield
    finally:
        event.remove(db.engine, "before_cursor_execute", die)


def test_a_death_before_the_commit_leaves_the_order_in_both_and_then_twice_in_the_file(
    busy_shop: Shop, old: list[str], file: Path
) -> None:
    before = rows_left()
    with _dying_at("DELETE FROM orders"), pytest.raises(Killed):
        archived(busy_shop, file)
    assert rows_left() == before
    assert sorted(numbers_in(file)) == old
    assert archived(busy_shop, file).orders == 3
    assert rows_left() == {}
    assert sorted(numbers_in(file)) == sorted(old * 2)


def test_a_line_that_was_cut_off_is_taken_off(busy_shop: Shop, old: list[str], file: Path) -> None:
    archived(busy_shop, file)
    whole = file.read_bytes()
    for torn in (whole[:20], whole[:1], whole + b'{"format":"orderapp order 1","order":' + b"x" * 200_000):
        file.write_bytes(torn)
        assert archived(busy_shop, file).orders == 0
        assert file.read_bytes() == (whole if len(torn) > len(whole) else b"")


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)  # the limit holds for SQLite's file as well
def test_a_full_disk_deletes_nothing_and_leaves_no_half_line(busy_shop: Shop, old: list[str], file: Path) -> None:
    archived(busy_shop, file)
    whole = file.read_bytes()
    busy_shop.submit()
    busy_shop.work_until_quiet_but_for_staff()
    let_days_pass()
    before, limits = rows_left(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, limits[1]))
    try:
        with pytest.raises(ArchiveUnusable, match="File too large"):
            archived(busy_shop, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == whole
    assert rows_left() == before


def test_it_stops_after_a_batch_when_told_to_and_goes_on_later(busy_shop: Shop, file: Path) -> None:
    with writing() as session:
        common = {"state": "failed", "placement_number": 1, "currency": "EUR", "subtotal_minor": 0, "total_minor": 0,
                  "customer_name": "", "customer_email": "", "customer_phone": "", "inputs": "{}",
                  "updated_at": db_now()}  # fmt: skip
        for number in range(BATCH + 50):
            session.execute(insert(Order).values(id=uuid.uuid4(), number=f"N{number}", created_at=db_now(), **common))
    let_days_pass()
    stop = threading.Event()
    stop.set()
    assert (archived(busy_shop, file, stop=stop).orders, busy_shop.order_count()) == (0, BATCH + 50)
    moved = archived(busy_shop, file)
    assert (moved.orders, moved.finished, busy_shop.orders_in(OrderState.FAILED)) == (BATCH + 50, True, 0)
    assert len(set(numbers_in(file))) == BATCH + 50
