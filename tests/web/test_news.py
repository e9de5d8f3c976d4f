"""Mails and text messages for every end of an order: what they say, and that they say it once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from orderapp.languages import language
from orderapp.models import Order, Task
from orderapp.services.db.transactions import reading
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.cancel import cancel_order
from tests.sandbox.running import RunningSandbox
from tests.web.conftest import hidden_fields

GERMAN = {"Accept-Language": "de"}
Fill = Callable[..., dict[str, str]]


@pytest.fixture
def order(client: FlaskClient, new_form: Fill) -> Callable[..., Order]:
    """Place an order with a telephone, in the language of the headers, and return its row."""

    def place(headers: Mapping[str, str] = {}, **typed: str) -> Order:
        client.post("/orders", data=new_form(phone="+49 151 23456789", **typed), headers=headers)
        with reading() as session:
            return session.scalars(select(Order).order_by(Order.created_at.desc())).first()

    return place


def mails(sandbox: RunningSandbox) -> list[str]:
    return [row["subject"] for row in reversed(sandbox.rows("mails"))]


def last_mail(sandbox: RunningSandbox) -> str:
    body = sandbox.rows("mails")[0]["body"]  # the newest one first
    return " ".join(body.replace("\N{NO-BREAK SPACE}", " ").split())


def linked(mail: str) -> str:
    return re.search(r"http://shop.localhost(/orders/\S+)", mail).group(1)  # type: ignore[union-attr]


def test_an_order_that_fails_is_told_with_its_reason_and_a_way_to_try_again(
    client: FlaskClient, order: Callable[..., Order], run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("inventory", "error_after", scope="do")
    failed = order()
    sandbox.clear_faults()
    run_tasks()
    assert mails(sandbox) == [f"Your order {failed.number} could not be placed"]
    mail = last_mail(sandbox)
    reason = "Stock: we didn't get a reliable answer in time."
    assert f"{reason} This is not your fault; trying again usually helps. Nothing is charged" in mail
    page = client.get(linked(mail)).text.replace("&#39;", "'")
    assert reason in page
    assert "Your order could not be placed" in page
    (text,) = sandbox.rows("texts")
    assert text["body"].startswith(
        f"Orderapp: Your order {failed.number} could not be placed. http://shop.localhost/orders/"
    )


def test_a_failure_that_was_overcome_before_it_was_told_is_not_told(
    client: FlaskClient, new_form: Fill, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("inventory", "refuses")
    address = client.post("/orders", data=new_form()).location
    sandbox.clear_faults()
    client.post(f"{address}/retry", data=hidden_fields(client.get(address)))
    run_tasks()
    assert [subject.split(" ", 3)[3] for subject in mails(sandbox)] == ["is confirmed"]


@pytest.mark.parametrize("is_theirs", [True, False])
def test_a_failure_is_not_told_after_the_visitor_who_had_it_changed_the_order(
    app: Flask,
    client: FlaskClient,
    new_form: Fill,
    run_tasks: Callable[[], None],
    sandbox: RunningSandbox,
    is_theirs: bool,
) -> None:
    sandbox.fault("inventory", "refuses")
    address = client.post("/orders", data=new_form()).location
    sandbox.clear_faults()
    with app.app_context():  # of its own: Flask-WTF keeps a request's token there
        visitor = client if is_theirs else app.test_client()
        page = visitor.get("/checkout", query_string={"again": address.rpartition("/")[2]})
        typed = {"name": "Eve", "email": "eve@example.com", "quantity:TEA-GREEN": "1", "expected_total": ""}
        placed = visitor.post("/orders", data=hidden_fields(page) | typed)
    assert placed.status_code == 303
    run_tasks()
    told = [subject.split(" ", 3)[3] for subject in mails(sandbox)]
    assert told.count("could not be placed") == (0 if is_theirs else 1)


def test_a_failure_is_not_told_after_another_order_was_placed_instead(
    client: FlaskClient, new_form: Fill, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.set("stock", "POT-CAST", 3)
    address = client.post("/orders", data=new_form({"POT-CAST": "5", "TEA-GREEN": "1"})).location
    client.post(f"{address}/retry", data=hidden_fields(client.get(address)) | {"only": "3", "expected_total": ""})
    run_tasks()
    assert [subject.split(" ", 3)[3] for subject in mails(sandbox)] == ["is confirmed"]
    with reading() as session:
        (withdrawn,) = session.scalars(select(Task).where(Task.news == "failed")).all()
    assert (withdrawn.state, withdrawn.last_message) == ("cancelled", "another order was placed instead")


@pytest.mark.parametrize(
    ("headers", "reason", "next_step"),
    [
        ({}, "Only 3 of \u201cCast iron pot\u201d are left.", "What you can do now stands on the page of the order:"),
        (GERMAN, "sind noch 3 da.", "Was Sie jetzt tun können, steht auf der Seite der Bestellung:"),
    ],
)
def test_a_failure_is_told_with_what_is_left_and_promises_only_the_order_s_page(
    client: FlaskClient,
    new_form: Fill,
    run_tasks: Callable[[], None],
    sandbox: RunningSandbox,
    headers: dict[str, str],
    reason: str,
    next_step: str,
) -> None:
    sandbox.set("stock", "POT-CAST", 3)
    client.post("/orders", data=new_form({"POT-CAST": "5"}), headers=headers)
    run_tasks()
    mail = last_mail(sandbox)
    assert reason in mail
    assert f"{next_step} http://shop.localhost/orders/" in mail
    assert "try again" not in mail


def test_each_failed_placement_is_told_once(
    client: FlaskClient, order: Callable[..., Order], run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("inventory", "refuses")
    order()
    run_tasks()
    address = linked(last_mail(sandbox))
    client.post(f"{address}/retry", data=hidden_fields(client.get(address)))
    run_tasks()
    run_tasks()
    assert len(mails(sandbox)) == 2
    assert len({row["message_id"] for row in sandbox.rows("mails")}) == 2


@pytest.mark.parametrize("headers", [{}, GERMAN])
def test_a_cancelled_order_is_told_and_then_what_was_paid_is_told_with_amount_and_day(
    app: Flask,
    client: FlaskClient,
    order: Callable[..., Order],
    run_tasks: Callable[[], None],
    sandbox: RunningSandbox,
    headers: dict[str, str],
) -> None:
    placed = order(headers)
    run_tasks()
    cancel_order(placed.id, app.extensions["orderapp.settings"])
    run_tasks()
    with reading() as session:
        told = session.scalars(select(Task).where(Task.news == "refunded", Task.system == "email")).one()
    confirmed, cancelled, refunded = mails(sandbox)
    day = language(placed.language).day(told.created_at)
    number, mail = placed.number, last_mail(sandbox)
    if headers:
        assert cancelled == f"Ihre Bestellung {number} ist storniert"
        assert (
            refunded.replace("\N{NO-BREAK SPACE}", " ") == f"Wir haben 25,00 € für Ihre Bestellung {number} erstattet"
        )
        assert f"und wir haben am {day} 25,00 € erstattet" in mail
    else:
        assert cancelled == f"Your order {number} is cancelled"
        assert refunded == f"We returned €25.00 for your order {number}"
        assert f"and we returned €25.00 on {day}." in mail
    assert 'data-changing="no"' in client.get(linked(mail)).text
    assert len(sandbox.rows("texts")) == 3


def test_what_was_never_paid_is_never_told_as_returned(
    app: Flask, order: Callable[..., Order], run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    placed = order()
    cancel_order(placed.id, app.extensions["orderapp.settings"])
    run_tasks()
    assert mails(sandbox) == [f"Your order {placed.number} is cancelled"]


def test_a_refund_is_told_as_soon_as_it_is_made_whatever_else_is_still_given_back(
    app: Flask, order: Callable[..., Order], run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    placed, settings = order(), app.extensions["orderapp.settings"]
    run_tasks()
    cancel_order(placed.id, settings)
    with reading() as session:
        undoing = {task.system: task.id for task in session.scalars(select(Task).where(Task.kind == "compensate"))}
    run_task(undoing["settlement"], settings)
    with reading() as session:
        assert session.get(Order, placed.id).state == "compensating"  # type: ignore[union-attr]
        told = session.scalars(select(Task.system).where(Task.news == "refunded")).all()
    assert sorted(told) == ["email", "sms"]
    run_tasks()
    assert len(mails(sandbox)) == 3
