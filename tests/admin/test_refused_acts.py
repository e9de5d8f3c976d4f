"""An act of staff that is refused leaves an entry like any other: who, when, what, on what, why refused."""

import json

import pytest

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Role, Task
from orderapp.services.access.refused_acts import MOST_REFUSALS
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE


def test_in_a_wrong_state(rows, logged_in):
    task_id = rows.task(TaskState.DONE)
    order_id = rows.read(Task, task_id).order_id
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/requeue", task=task_id, reason="once more")
    [entry] = rows.audit("task.requeue")
    assert (entry.actor, entry.subject, entry.reason, entry.order_id) == (
        "operator@example.com",
        f"task {task_id}",
        "once more",
        order_id,
    )
    assert "it is done" in entry.refused
    for path in ("audit/", "audit/?result=refused", f"audit/{entry.id}", f"tasks/{task_id}"):
        assert "Tried to requeue a task" in browser.get(f"/admin/{path}").text
    assert "tried to requeue a task" in browser.get(f"/admin/orders/{rows.number(order_id)}").text
    assert "Tried to" not in browser.get("/admin/audit/?result=done").text


@pytest.mark.parametrize(
    ("path", "act", "subject"),
    [
        ("tasks/requeue", "task.requeue", "2 tasks"),
        ("tasks/cancel", "task.cancel", "2 tasks"),
        ("tasks/mark", "task.mark", "2 tasks"),
        ("mismatches/correct", "mismatch.correct", "mismatch"),
        ("systems/coupon/switch", "system.switch", "system coupon"),
        ("staff/1/role", "staff.role", "staff 1"),
        ("tokens/1/revoke", "token.revoke", "API token 1"),
    ],
)
def test_without_the_role(rows, logged_in, path, act, subject):
    browser = logged_in(Role.VIEWER)
    answer = browser.post(f"/admin/{path}", task=[1, 2], mode="paused", resolution="happened", reason="let me")
    assert answer.status_code == 403
    [entry] = rows.audit(act)
    assert (entry.actor, entry.subject, entry.reason) == ("viewer@example.com", subject, "let me")
    assert entry.refused == "not open to the role viewer"
    assert "Tried to" in browser.get("/admin/audit/").text


def test_whatever_a_viewer_writes_is_kept_as_text(rows, logged_in):
    browser = logged_in(Role.VIEWER)
    for task in ("\x00", "9" * 900, "<script>", "\u202e\n"):
        assert browser.post("/admin/tasks/requeue", task=task, reason="\x00" + "x" * 900).status_code == 403
    entries = rows.audit("task.requeue")
    assert [len(entry.subject) <= 100 and entry.reason == "" for entry in entries] == [True] * 4
    page = browser.get("/admin/audit/").text
    assert "<script>" not in page
    assert browser.get(f"/admin/audit/{entries[0].id}").status_code == 200


def test_of_a_selection_the_refused_stand_in_its_entry(rows, logged_in):
    tasks = [rows.task(TaskState.DONE), rows.task(TaskState.RUNNING)]
    answer = logged_in(Role.OPERATOR).post("/admin/tasks/requeue", task=tasks, reason="both")
    [entry] = rows.audit("tasks.requeue")
    assert answer.location == f"/admin/audit/{entry.id}"
    assert [item["done"] for item in json.loads(entry.details)["items"]] == [False, False]
    assert entry.refused == "none of them could be done"


def test_orders_accounts_and_systems(rows, logged_in):
    number = rows.number(rows.order(OrderState.FAILED))
    browser = logged_in(Role.ADMIN)
    browser.post(f"/admin/orders/{number}/cancel", reason="please")
    browser.post("/admin/systems/coupon/switch", mode="on", reason="it is on")
    browser.post("/admin/staff/3/disable", reason="myself")
    browser.post("/admin/staff/1/enable", reason="it is enabled")
    browser.post("/admin/tokens/7/revoke", reason="which?")
    refused = {
        act: [entry.refused for entry in rows.audit(act)]
        for act in ("order.cancel", "system.switch", "staff.disable", "staff.enable", "token.revoke")
    }
    assert all(len(why) == 1 and why[0] for why in refused.values()), refused


def test_an_incomplete_form_is_no_act(rows, logged_in, everything):
    task_id = rows.task()
    browser = logged_in(Role.OPERATOR)
    before = everything()
    browser.post("/admin/tasks/requeue", task=task_id, reason=" ")
    browser.send("/admin/tasks/requeue", {"task": task_id, "reason": "no token"})
    assert everything() == before


def test_nobody_floods_the_audit(rows, settings, capsys):
    task_id = rows.task(TaskState.DONE)
    for _ in range(MOST_REFUSALS + 5):
        task_actions.requeue([task_id], COMMAND_LINE, "again", settings)
    selection = task_actions.requeue([task_id, rows.task(TaskState.DONE, TaskKind.NOTIFY)], COMMAND_LINE, "x", settings)
    assert selection.audit_id is None
    assert len(rows.audit("task.requeue")) == MOST_REFUSALS
    task_actions.requeue([rows.task()], COMMAND_LINE, "this one is done", settings)
    assert len(rows.audit("task.requeue")) == MOST_REFUSALS + 1
