"""What customers can do with an order that was placed: see its dated steps, cancel it in time, order the same again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from orderapp.config import Settings
from orderapp.domain.cancelling import CancelLimit
from orderapp.models import AuditEntry, Order, Placement, Product, Submission, Task, db_now
from orderapp.seller import Seller
from orderapp.services.db.transactions import reading, writing
from orderapp.web.receipt_page import MOST_OF_ORDER
from orderapp.web.receipt_pdf import printable
from tests.web.conftest import hidden_fields

Form = Callable[..., dict[str, str]]


def placed(client: FlaskClient, fields: dict[str, str]) -> str:
    """Place an order, and return the path of its page."""
    answer = client.post("/orders", data=fields)
    assert answer.status_code == 303
    return answer.location


def press(client: FlaskClient, page: str, act: str) -> TestResponse:
    """Press a button of the order's page, or of one that it leads to."""
    return client.post(f"{page}/{act}", data=hidden_fields(client.get(page)))


def state() -> str:
    with reading() as session:
        return session.scalars(select(Order.state)).one()


@pytest.fixture
def limit(app: Flask) -> Callable[[CancelLimit], None]:
    """Let customers cancel within a limit."""

    def allow(wanted: CancelLimit) -> None:
        settings: Settings = app.extensions["orderapp.settings"]
        app.extensions["orderapp.settings"] = replace(settings, cancel_limit=wanted)

    return allow


def test_each_step_has_its_time(client: FlaskClient, new_form: Form, run_tasks: Callable[[], None]) -> None:
    page = placed(client, new_form())
    run_tasks()
    entries = re.findall(r'<li data-state="done">.*?</li>', client.get(page).text, re.DOTALL)
    assert len(entries) == 4  # received, stock, payment, message
    assert all(re.search(r'<time datetime="20\d\d-', entry) for entry in entries)


def test_by_default_a_customer_cannot_cancel(client: FlaskClient, new_form: Form) -> None:
    page = placed(client, new_form())
    assert "Cancel" not in client.get(page).text
    assert press(client, page, "cancel").status_code == 409
    assert state() == "confirmed"


def test_a_customer_cancels_within_the_limit_and_staff_see_who_did(
    client: FlaskClient, new_form: Form, limit: Callable[[CancelLimit], None], run_tasks: Callable[[], None]
) -> None:
    limit(CancelLimit(minutes=30))
    page = placed(client, new_form())
    run_tasks()
    assert "Possible until" in client.get(page).text
    assert "This can't be undone." in client.get(f"{page}/cancel").text
    assert [press(client, page, "cancel").location for _ in range(2)] == [page, page]
    run_tasks()
    assert state() == "cancelled"
    with reading() as session:
        entries = session.scalars(select(AuditEntry)).all()
    assert [(entry.act, entry.actor) for entry in entries] == [("order.cancel", "customer")]
    assert "Your order is cancelled" in client.get(f"{page}/cancel", follow_redirects=True).text


def test_after_the_limit_nothing_changes_and_the_page_says_so(
    client: FlaskClient, new_form: Form, limit: Callable[[CancelLimit], None]
) -> None:
    limit(CancelLimit(minutes=30))
    page = placed(client, new_form())
    with writing() as session:
        session.execute(update(Placement).values(decided_at=db_now(-1801)))
    assert "It is too late to cancel the order here." in client.get(page).text
    late = press(client, page, "cancel")
    assert late.status_code == 409
    assert "It is too late to cancel here" in late.text
    assert state() == "confirmed"


def test_without_systems_that_fulfil_orders_a_customer_can_always_cancel(
    client: FlaskClient, new_form: Form, limit: Callable[[CancelLimit], None]
) -> None:
    limit(CancelLimit(until_fulfilled=True))
    page = placed(client, new_form())
    assert press(client, page, "cancel").status_code == 303
    assert state() in ("compensating", "cancelled")


@pytest.mark.parametrize(
    ("states", "status"),
    [(["waiting", "waiting"], 303), (["done", "waiting"], 409), (["done", "cancelled"], 409), (["cancelled"], 409)],
)
def test_no_customer_cancels_once_work_on_the_order_is_done_or_nothing_is_left_to_wait_for(
    client: FlaskClient, new_form: Form, limit: Callable[[CancelLimit], None], states: list[str], status: int
) -> None:
    limit(CancelLimit(until_fulfilled=True))
    page = placed(client, new_form())
    with writing() as session:
        # Whatever the shipped systems do then, as it would be with plugins of the part `task`.
        ids = session.scalars(select(Task.id).order_by(Task.id)).all()
        for task_id, task_state in zip(ids, states, strict=False):
            session.execute(update(Task).where(Task.id == task_id).values(kind="task", news="", state=task_state))
    assert press(client, page, "cancel").status_code == status


def test_order_again_fills_the_basket_with_what_is_still_sold_at_todays_prices(
    app: Flask, client: FlaskClient, new_form: Form
) -> None:
    page = placed(client, new_form({"TEA-GREEN": "2", "POT-CAST": "1"}))
    with writing() as session:
        session.execute(update(Product).where(Product.sku == "TEA-GREEN").values(price_minor=1300))
        session.execute(update(Product).where(Product.sku == "POT-CAST").values(retired_at=db_now()))
    for visitor in (client, app.test_client()):
        g.pop("csrf_token", None)  # kept for a request, and the test's context is around both visitors
        form = visitor.post(f"{page}/again", data=hidden_fields(visitor.get(page)), follow_redirects=True)
        assert "Not sold any more, and left out: Cast iron pot." in form.text
        assert re.search(r'name="quantity:TEA-GREEN"[^>]*value="2"', form.text)
        assert "€26.00" in form.text
        assert "ada@example.com" not in form.text
    with reading() as session:
        assert len(session.scalars(select(Submission)).all()) == 1


def test_acts_need_the_orders_own_link(client: FlaskClient, new_form: Form) -> None:
    page = placed(client, new_form())
    forged = re.sub(r"\.[^.]+$", ".x", page)
    fields = hidden_fields(client.get(page))
    assert {client.post(f"{forged}/{act}", data=fields).status_code for act in ("again", "cancel")} == {404}
    assert {client.post(f"{page}/{act}").status_code for act in ("again", "cancel")} == {400}


def test_a_receipt_names_seller_customer_and_tax_on_its_page_and_in_its_pdf(
    app: Flask, client: FlaskClient, new_form: Form, run_tasks: Callable[[], None]
) -> None:
    settings: Settings = app.extensions["orderapp.settings"]
    seller = Seller("Teehaus Süd", "hallo@teehaus.example", address=("Gartenstraße 1", "10115 Berlin"), tax_id="DE1")
    app.extensions["orderapp.settings"] = replace(settings, seller=seller, tax_percent=Decimal(19))
    page = placed(client, new_form(name="Łucja Müller 王"))
    # What was sold keeps the rate of its day.
    app.extensions["orderapp.settings"] = replace(settings, seller=seller, tax_percent=Decimal(20))
    assert "Not paid yet" in client.get(f"{page}/receipt").text
    run_tasks()
    shown = client.get(f"{page}/receipt")
    for text in ("Gartenstraße 1", "Tax number: DE1", "Łucja Müller 王", "Paid on ", "€25.00", "€3.99 tax (19%)"):
        assert text in shown.text
    pdf = client.get(f"{page}/receipt.pdf")
    assert (pdf.status_code, pdf.content_type, pdf.data[:5]) == (200, "application/pdf", b"%PDF-")
    assert {answer.headers["Cache-Control"] for answer in (shown, pdf)} == {"no-store"}
    assert {client.get(f"{page}/receipt.pdf").status_code for _ in range(MOST_OF_ORDER)} == {200, 429}
    forged = re.sub(r"\.[^.]+$", ".x", page)
    assert {client.get(f"{forged}/{name}").status_code for name in ("receipt", "receipt.pdf")} == {404}


def test_what_the_fonts_lack_is_a_box() -> None:
    assert printable("€ Zoë Łukasz Σωκράτης Иван 王🍵") == "€ Zoë Łukasz Σωκράτης Иван □□"


def test_an_order_that_failed_has_no_receipt(client: FlaskClient, new_form: Form) -> None:
    page = placed(client, new_form({"SCALE-01": "1"}))
    assert {client.get(f"{page}/{name}").status_code for name in ("receipt", "receipt.pdf")} == {404}
    assert "Receipt" not in client.get(page).text
