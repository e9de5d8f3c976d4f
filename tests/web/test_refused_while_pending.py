"""A payment that the partner accepts and later refuses for good: what everybody who looks reads of it, over HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Attempt, Role, Task, db_now
from orderapp.services.access.accounts import create_staff
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.shop_views import find_shop_order
from tests.admin.conftest import PASSWORD, Browser
from tests.web.test_order_page import number_of
from tests.web.test_placing import place, title_of

HOURS = 7200


@pytest.fixture
def pending(app, client, new_form, sandbox):
    """The page of an order whose payment the partner has accepted, and will refuse in hours."""
    sandbox.set("options", "settlement_seconds", HOURS)
    sandbox.set("options", "settlement_ends_refused", 1)
    location = place(client, new_form()).location
    assert run_payment(app, location) is TaskState.WAITING
    return location


def payment_of(location):
    [payment] = [task for task in find_shop_order(number_of(location)).tasks if task.kind is TaskKind.SETTLE]
    return payment


def run_payment(app, location):
    """Run the payment's task as a worker does once it is due."""
    task_id = payment_of(location).id
    with writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(due_at=db_now(), publish_at=db_now()))
    return run_task(task_id, app.extensions["orderapp.settings"])


def let_the_partner_decide(sandbox):
    """Do as if the hours had passed at the partner."""
    sandbox.change("UPDATE keyed SET due_at = 0 WHERE system = 'settlement'")


@pytest.fixture
def staff(app):
    """An operator's browser."""
    create_staff("operator@example.com", Role.OPERATOR, PASSWORD)
    browser = Browser(app)
    assert browser.log_in("operator@example.com").status_code == 303
    return browser


def test_while_it_is_pending_nobody_has_anything_to_do(client, pending, staff):
    page = client.get(pending)
    assert title_of(page) == "Your order is confirmed"
    assert "In progress; you need do nothing" in page.text
    office = staff.get(f"/admin/orders/{number_of(pending)}").text
    assert "Confirmed; the rest is on its way" in office
    assert "needs you" not in office


def test_once_it_is_refused_the_customer_and_staff_read_so(app, client, pending, sandbox, staff, run_tasks):
    let_the_partner_decide(sandbox)
    assert run_payment(app, pending) is TaskState.FAILED
    order = find_shop_order(number_of(pending))
    assert (order.state, payment_of(pending).refused) == (OrderState.CONFIRMED, True)
    page = client.get(pending)
    assert title_of(page) == "Your order is confirmed, but the payment was refused"
    assert "Refused; we will be in touch with you about it" in page.text
    assert "We have all we need from you" not in page.text
    office = staff.get(f"/admin/orders/{order.number}").text
    assert "Confirmed, but it needs you" in office
    task_page = staff.get(f"/admin/tasks/{payment_of(pending).id}").text
    assert "refused" in task_page
    assert "Requeue" in task_page
    assert 'orderapp_tasks{kind="settle",state="failed",system="settlement"} 1.0' in client.get("/metrics").text


def test_its_history_tells_both_answers_and_it_is_never_asked_for_again(app, pending, sandbox, run_tasks):
    task_id = payment_of(pending).id
    run_payment(app, pending)  # still pending
    let_the_partner_decide(sandbox)
    run_payment(app, pending)
    run_tasks()
    with reading() as session:
        attempts = session.scalars(select(Attempt).where(Attempt.task_id == task_id).order_by(Attempt.number)).all()
    assert [(one.verb, one.outcome) for one in attempts] == [("act", "done"), ("act", "refused")]
    assert "accepted, not finished yet" in (attempts[0].message or "")
    assert payment_of(pending).state is TaskState.FAILED
    assert [row["state"] for row in sandbox.rows("settlements")] == ["refused"]
