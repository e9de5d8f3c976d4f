"""`flask customers erase`: nothing of a customer is left in the database, and the rest works as before."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.domain.outcome import Outcome
from orderapp.errors import WrongState
from orderapp.models import Attempt, AuditEntry, Order, Submission
from orderapp.services.access.customer_sessions import find, new_link, sign_in
from orderapp.services.db.transactions import reading, writing
from orderapp.services.orders.cancel import cancel_order
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.placing.place import Placing
from tests.cli.conftest import Run, settings_of
from tests.sandbox.running import RunningSandbox

Place = Callable[..., OrderView]
ADDRESS, PHONE = "ada-1@example.com", "+4930901820"
ERASE = ("customers", "erase", "ADA-1@Example.com", "--reason", "asked by letter")


def left_of(text: str, tmp_path: Path) -> list[str]:
    """Return the rows of the database that have a text in them."""
    with closing(sqlite3.connect(tmp_path / "orders.db")) as database:
        return [line for line in database.iterdump() if text.lower() in line.lower()]


@pytest.fixture
def order(place: Place, run_tasks: Callable[[], None]) -> OrderView:
    """A confirmed order whose messages are sent, beside one of somebody else."""
    placed = place("ada-1", coupon="WELCOME10", phone=PHONE)
    place("bob-1")
    run_tasks()
    return placed


def test_nothing_of_the_customer_is_left_and_what_accounts_need_is(
    app: Flask, run: Run, order: OrderView, place: Place, tmp_path: Path
) -> None:
    told = [text for text in (ADDRESS, PHONE, "WELCOME10") if left_of(text, tmp_path)]
    assert told == [ADDRESS, PHONE, "WELCOME10"]
    with app.app_context():
        session_token = sign_in(new_link(ADDRESS)[1], "")
        new_link(ADDRESS)
        before = find_order(order.id)
    assert run(*ERASE, "--dry-run").stdout == "orders to erase: 1\n"
    assert left_of(ADDRESS, tmp_path)
    result = run(*ERASE)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "orders erased: 1\n", "")
    assert [text for text in (ADDRESS, PHONE, "WELCOME10") if left_of(text, tmp_path)] == []
    with app.app_context():
        now = find_order(order.id)
        assert (now.lines, now.total, now.created_at) == (before.lines, before.total, before.created_at)
        assert [one.amount for one in now.discounts] == [one.amount for one in before.discounts]
        assert (now.customer.name, now.steps, now.tasks) == ("erased", before.steps, before.tasks)
        assert session_token
        assert find(session_token) is None
        with reading() as session:
            entry = session.scalars(select(AuditEntry)).one()
        assert (entry.act, json.loads(entry.details)) == ("customer.erase", {"orders": [order.number]})
    assert left_of("bob-1@example.com", tmp_path)
    assert run(*ERASE).stdout == "orders erased: 0\n"
    # The key still leads to the order: the content is compared by its hash.
    assert place("ada-1", coupon="WELCOME10", phone=PHONE).number == order.number


def test_an_erased_order_can_be_cancelled_and_nobody_is_written_to(
    app: Flask, run: Run, order: OrderView, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    run(*ERASE)
    sent = len(sandbox.rows("mails")), len(sandbox.rows("texts"))
    with app.app_context():
        cancel_order(order.id, settings_of(app))
    run_tasks()
    with app.app_context():
        cancelled = find_order(order.id)
        with reading() as session:
            outcomes = set(session.scalars(select(Attempt.outcome)))
    assert (cancelled.state.value, outcomes) == ("cancelled", {Outcome.DONE.value})
    assert (len(sandbox.rows("mails")), len(sandbox.rows("texts"))) == sent


def test_an_order_under_way_is_named_and_keeps_all(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], tmp_path: Path
) -> None:
    placed = place("ada-1")
    result = run(*ERASE)
    assert (result.exit_code, result.stdout) == (1, "orders erased: 0\n")
    assert result.stderr == f"Error: still under way, and not erased: {placed.number}\n"
    assert left_of(ADDRESS, tmp_path)
    run_tasks()
    assert run(*ERASE).stdout == "orders erased: 1\n"


def test_an_order_that_was_corrected_to_another_address_stays_that_ones(
    app: Flask, run: Run, order: OrderView, tmp_path: Path
) -> None:
    with app.app_context(), writing() as session:
        session.execute(update(Order).where(Order.id == order.id).values(corrected_email="right@example.com"))
    assert run(*ERASE).stdout == "orders erased: 1\n"
    assert left_of(ADDRESS, tmp_path) == []
    with app.app_context():
        now = find_order(order.id)
    assert (now.customer.email, now.customer.name, now.mail_to) == (
        "right@example.com", "Ada Lovelace", "right@example.com",
    )  # fmt: skip


def test_an_erased_order_is_not_tried_again(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.set("stock", "TEA-GREEN", 0)
    failed = place("ada-1")
    run_tasks()
    assert run(*ERASE).stdout == "orders erased: 1\n"
    with app.app_context():
        assert find_order(failed.id).state.value == "failed"
        with pytest.raises(WrongState, match="was erased"):
            Placing(settings_of(app)).retry(failed.id, "again")
        with reading() as session:
            assert len(session.scalars(select(Submission)).all()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("ada", "--reason", "x"), "address: This is no e-mail address."),
        ((ADDRESS, "--reason", f"{ADDRESS} asked"), "reason: Leave the address out: the reason is kept."),
        ((ADDRESS, "--reason", " "), "reason: Say why; it is kept with what was done."),
    ],
)
def test_a_refused_run_keeps_no_address(
    run: Run, order: OrderView, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    before = len(left_of(ADDRESS, tmp_path))
    result = run("customers", "erase", *arguments)
    assert (result.exit_code, result.stderr) == (1, f"Error: {told}\n")
    assert len(left_of(ADDRESS, tmp_path)) == before
