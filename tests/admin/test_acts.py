"""What staff do about tasks and orders: what changes, what is refused, what is recorded."""

import json
import re

import pytest
from sqlalchemy import select

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Order, Role, Task, seconds_until
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.overview import look
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.saga.compensation import close_if_complete
from tests.admin.conftest import apart_from_refusals


def due_in_seconds(task_id):
    with reading() as session:
        return session.execute(select(seconds_until(Task.due_at)).where(Task.id == task_id)).scalar_one()


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.WAITING, TaskState.CANCELLED])
@pytest.mark.parametrize("kind", [kind for kind in TaskKind if kind is not TaskKind.JOB])
def test_a_requeued_task_is_due_now_with_fresh_attempts_and_its_history(rows, settings, logged_in, state, kind):
    task_id = rows.task(state, kind)
    rows.attempt(task_id)
    before = rows.read(Task, task_id)
    browser = logged_in(Role.OPERATOR)
    answer = browser.post(
        "/admin/tasks/requeue", task=task_id, reason=" it is well again ", back=f"/admin/tasks/{task_id}"
    )
    assert answer.location == f"/admin/tasks/{task_id}"
    task = rows.read(Task, task_id)
    assert task.state == "waiting"
    assert due_in_seconds(task_id) <= 0
    assert task.publish_at is not None
    assert task.lease_until is None
    assert task.finished_at is None
    assert task.attempts == before.attempts
    assert task.attempt_limit == before.attempts + settings.systems[task.system].backoff.attempts
    assert task.fencing == before.fencing + 1
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert f"Task {task_id} is requeued." in page
    assert "POST /v1/settlements" in page
    (entry,) = rows.audit("task.requeue")
    assert (entry.actor, entry.staff_id, entry.reason) == ("operator@example.com", 2, "it is well again")
    assert (entry.subject, entry.order_id) == (f"task {task_id}", task.order_id)
    assert json.loads(entry.details)["before"]["state"] == state.value


@pytest.mark.parametrize(
    ("state", "kind", "order_state", "why"),
    [
        (TaskState.RUNNING, TaskKind.SETTLE, OrderState.CONFIRMED, "a worker has it"),
        (TaskState.DONE, TaskKind.SETTLE, OrderState.CONFIRMED, "it is done"),
        (TaskState.CANCELLED, TaskKind.SETTLE, OrderState.CANCELLED, "its order is cancelled"),
        (TaskState.CANCELLED, TaskKind.NOTIFY, OrderState.COMPENSATING, "its order is compensating"),
        (TaskState.FAILED, TaskKind.NOTIFY, OrderState.CANCELLED, "its order is cancelled"),
        (TaskState.DONE, TaskKind.COMPENSATE, OrderState.FAILED, "it is done"),
    ],
)
def test_what_makes_no_sense_isnt_requeued(rows, logged_in, everything, state, kind, order_state, why):
    task_id = rows.task(state, kind, rows.order(order_state))
    browser = logged_in(Role.OPERATOR)
    before = everything()
    browser.post("/admin/tasks/requeue", task=task_id, reason="again", back="/admin/tasks/")
    assert apart_from_refusals(everything()) == apart_from_refusals(before)
    assert f"Task {task_id} can&#39;t be requeued: {why}" in browser.get("/admin/tasks/").text


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.WAITING, TaskState.RUNNING])
def test_a_cancelled_task_is_taken_from_whoever_has_it(rows, logged_in, state):
    task_id = rows.task(state)
    fencing = rows.read(Task, task_id).fencing
    logged_in(Role.OPERATOR).post("/admin/tasks/cancel", task=task_id, reason="paid by hand")
    task = rows.read(Task, task_id)
    assert (task.state, task.lease_until, task.publish_at, task.fencing) == ("cancelled", None, None, fencing + 1)
    assert task.finished_at is not None
    (entry,) = rows.audit("task.cancel")
    assert (entry.reason, json.loads(entry.details)["before"]["state"]) == ("paid by hand", state.value)


@pytest.mark.parametrize("state", [TaskState.DONE, TaskState.CANCELLED])
def test_what_is_over_isnt_cancelled(rows, logged_in, everything, state):
    task_id = rows.task(state)
    browser = logged_in(Role.OPERATOR)
    before = everything()
    browser.post("/admin/tasks/cancel", task=task_id, reason="never mind")
    assert apart_from_refusals(everything()) == apart_from_refusals(before)


def test_giving_up_a_compensation_closes_the_task_and_not_the_debt(rows, settings, logged_in):
    task_id = rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    task = rows.read(Task, task_id)
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/cancel", task=task_id, reason="they say it is gone")
    with writing() as session:
        assert not close_if_complete(session, task.order_id, task.placement_id, settings.systems)
    assert rows.read(Order, task.order_id).state == "compensating"
    unresolved = look(settings.systems).resolutions
    assert (unresolved.unresolved_count.number, unresolved.unresolved[0].task_id) == (1, task_id)
    assert task.key in browser.get("/admin/").text
    assert "nobody works on it" in browser.get(f"/admin/orders/{rows.number(task.order_id)}").text
    browser.post("/admin/tasks/requeue", task=task_id, reason="it wasn't gone")
    assert not look(settings.systems).resolutions.unresolved_count


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines", "\x00", "red\x1b[31mred", "\u200b\u2060"])
@pytest.mark.parametrize("path", ["/admin/tasks/requeue", "/admin/tasks/cancel", "/admin/systems/coupon/switch"])
def test_without_a_proper_reason_nothing_is_done(rows, logged_in, everything, reason, path):
    task_id = rows.task()
    browser = logged_in(Role.OPERATOR)
    before = everything()
    assert browser.post(path, task=task_id, mode="paused", reason=reason).status_code == 303
    assert everything() == before
    assert "Nothing was changed." in browser.get("/admin/").text


@pytest.mark.parametrize("chosen", ["0", "-1", "x", "1 OR 1=1", "9" * 30, "\u0661", "1.5", ""])
def test_what_is_no_task_is_refused(rows, logged_in, everything, chosen):
    browser = logged_in(Role.OPERATOR)
    before = everything()
    assert browser.post("/admin/tasks/requeue", task=chosen, reason="try").status_code in (303, 400)
    assert everything() == before


def test_the_command_line_is_recorded_as_such(rows, settings):
    task_actions.requeue([rows.task()], COMMAND_LINE, "cron", settings)
    (entry,) = rows.audit("task.requeue")
    assert (entry.actor, entry.staff_id) == ("command line", None)


def test_the_customer_isnt_led_away_after_an_act(rows, logged_in):
    answer = logged_in(Role.OPERATOR).post("/admin/tasks/cancel", task=rows.task(), reason="x", back="//evil.example")
    assert answer.location == "/admin/"


def test_a_confirmed_order_is_cancelled_with_its_reason(rows, logged_in):
    order_id = rows.order()
    browser = logged_in(Role.OPERATOR)
    path = f"/admin/orders/{rows.number(order_id)}"
    assert "Cancel the order" in browser.get(path).text
    assert browser.post(f"{path}/cancel", reason="the customer called").location == path
    assert rows.read(Order, order_id).state == "compensating"
    (entry,) = rows.audit("order.cancel")
    assert (entry.order_id, entry.reason) == (order_id, "the customer called")
    page = browser.get(path).text
    assert "Being given back" in page
    assert "the customer called" in page
    browser.post(f"{path}/cancel", reason="twice")
    assert "being cancelled already" in browser.get(path).text
    assert [bool(entry.refused) for entry in rows.audit("order.cancel")] == [False, True]


@pytest.mark.parametrize("state", [OrderState.PLACING, OrderState.FAILED])
def test_an_order_that_isnt_confirmed_cant_be_cancelled(rows, logged_in, everything, state):
    number = rows.number(rows.order(state))
    browser = logged_in(Role.OPERATOR)
    before = everything()
    browser.post(f"/admin/orders/{number}/cancel", reason="please")
    assert apart_from_refusals(everything()) == apart_from_refusals(before)
    assert "only a confirmed order can be cancelled" in browser.get("/admin/").text


def test_staff_read_one_word_for_what_they_gave_up(rows, logged_in):
    task_id = rows.task()
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/cancel", task=task_id, reason="paid by hand", back=f"/admin/tasks/{task_id}")
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert f"Task {task_id} is given up." in page
    number = rows.number(rows.read(Task, task_id).order_id)
    listed = browser.get("/admin/tasks/?state=cancelled").text
    for shown in (page, listed, browser.get(f"/admin/orders/{number}").text, browser.get("/admin/audit/").text):
        assert "Given up" in shown or "Gave a task up" in shown
        assert not re.search(">Cancelled ?<", shown)
        assert ">cancel<" not in shown
    browser.post("/admin/tasks/cancel", task=task_id, reason="again", back="/admin/tasks/")
    assert f"Task {task_id} can&#39;t be given up: it is given up already." in browser.get("/admin/tasks/").text
