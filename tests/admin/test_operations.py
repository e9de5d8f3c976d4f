"""The pages of operations: prepared, started, watched, paused, by two at once, and by who may not."""

import json

import pytest
from sqlalchemy import update

from orderapp.domain.states import TaskState
from orderapp.models import Operation, Role, SystemSwitch, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.engine.run_job import run_job


@pytest.fixture
def operator(logged_in):
    return logged_in(Role.OPERATOR)


@pytest.fixture
def drafted(rows, operator):
    """Prepares an operation on three failed tasks, and returns its address and theirs."""

    def draft(act="requeue", tasks=None):
        chosen = tasks or [rows.task() for _ in range(3)]
        return operator.post("/admin/tasks/operation", act=act, task=chosen).location, chosen

    return draft


def number_of(address):
    return int(address.rpartition("/")[2])


def words(text):
    return " ".join(text.split())


def test_it_is_shown_then_started_then_says_what_became_of_each_task(rows, operator, drafted, settings):
    address, tasks = drafted("cancel")
    shown = operator.get(address).text
    assert "Start: give up 3 tasks" in shown
    assert "3 tasks were chosen (Ticked: 3)" in shown
    assert operator.post(f"{address}/start", reason="test orders").location == address
    page = operator.get(address).text
    assert "It has begun." in page
    assert "3 still to come." in page
    assert ">Pause<" in page
    run_job(rows.read(Operation, number_of(address)).task_id, settings)
    page = words(operator.get(address).text)
    assert "3 given up." in page
    assert ">Pause<" not in page
    assert {rows.read(Task, task_id).state for task_id in tasks} == {"cancelled"}
    # Linked both ways: the audit, the operation, its tasks.
    (entry,) = rows.audit("operation.start")
    assert f'href="/admin/operations/{number_of(address)}"' in operator.get(f"/admin/audit/{entry.id}").text
    assert f'href="/admin/audit/{entry.id}"' in page
    on_task = operator.get(f"/admin/tasks/{tasks[0]}").text
    assert f'href="{address}">Operation {number_of(address)}' in on_task
    assert "test orders" in on_task
    listed = operator.get("/admin/operations/").text
    assert f'href="{address}">Give up 3 tasks</a>' in listed
    assert "3 given up" in listed


def test_its_tasks_are_listed_and_exported_with_what_became_of_each(rows, operator, drafted, settings):
    address, tasks = drafted("cancel", [rows.task(), rows.task(TaskState.DONE)])
    operator.post(f"{address}/start", reason="test orders")
    run_job(rows.read(Operation, number_of(address)).task_id, settings)
    of_it = f"operation={number_of(address)}"
    page = operator.get(f"/admin/operation-items/?{of_it}").text
    assert "It is done already" in page.replace("it is", "It is")
    assert all(f'href="/admin/tasks/{task_id}"' in page for task_id in tasks)
    only = operator.get(f"/admin/operation-items/?{of_it}&state=given_up").text
    assert f'href="/admin/tasks/{tasks[0]}"' in only
    assert f'href="/admin/tasks/{tasks[1]}"' not in only
    lines = operator.post(f"/admin/operation-items/export?{of_it}", format="jsonl").text.splitlines()
    assert {json.loads(line)["task_id"]: json.loads(line)["state"] for line in lines} == {
        tasks[0]: "given_up",
        tasks[1]: "left_out",
    }


def test_two_who_start_the_same_are_both_told_that_it_is_done_once(rows, operator, drafted, logged_in):
    first, tasks = drafted()
    second, _ = drafted(tasks=tasks)
    operator.post(f"{first}/start", reason="it is back")
    other = logged_in(Role.ADMIN)
    assert other.post(f"{second}/start", reason="so it seems").location == first
    assert "operator@example.com started the same at" in other.get(first).text
    told = words(operator.get(first).text)
    assert "admin@example.com" in told
    assert "Tried to start an operation" in told
    # The same page, pressed twice.
    assert operator.post(f"{first}/start", reason="again").location == first
    assert "has started operation" in operator.get(first).text


def test_a_stale_page_changes_nothing_and_says_why(rows, operator, drafted, settings):
    address, _ = drafted("cancel")
    assert operator.post(f"{address}/pause", reason="wait").location == address
    assert "isn’t running" in operator.get(address).text.replace("isn&#39;t", "isn’t")
    operator.post(f"{address}/start", reason="test orders")
    run_job(rows.read(Operation, number_of(address)).task_id, settings)
    for act in ("pause", "resume", "stop"):
        operator.post(f"{address}/{act}", reason="too late")
        assert "Nothing was changed." in operator.get(address).text
        (refused,) = [entry for entry in rows.audit(f"operation.{act}") if entry.reason == "too late"]
        assert refused.refused


def test_it_is_paused_resumed_and_stopped_on_its_page(rows, operator, drafted, settings):
    address, tasks = drafted("cancel")
    operator.post(f"{address}/start", reason="test orders")
    operator.post(f"{address}/pause", reason="wait a moment")
    run_job(rows.read(Operation, number_of(address)).task_id, settings)
    page = operator.get(address).text
    assert ">Resume<" in page
    assert "wait a moment" in page
    operator.post(f"{address}/resume", reason="go on")
    assert ">Pause<" in operator.get(address).text
    operator.post(f"{address}/stop", reason="the wrong ones")
    run_job(rows.read(Operation, number_of(address)).task_id, settings)
    assert "3 not begun." in words(operator.get(address).text)
    assert {rows.read(Task, task_id).state for task_id in tasks} == {"failed"}


def test_it_says_why_nobody_works_on_it(rows, operator, drafted, app):
    address, _ = drafted()
    operator.post(f"{address}/start", reason="the bank is back")
    task_id = rows.read(Operation, number_of(address)).task_id
    assert "says more" not in operator.get(address).text
    with app.app_context(), writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(last_code="snoozed", last_message="goes on"))
    assert "says more" not in operator.get(address).text
    with app.app_context(), writing() as session:
        session.execute(update(Task).where(Task.id == task_id).values(last_code="failed", last_message="KeyError"))
    page = words(operator.get(address).text)
    assert "The newest run of it ended early, and it is tried again: KeyError" in page
    assert "says more" in page
    assert "once somebody works on it again" in page
    with app.app_context(), writing() as session:
        paused = SystemSwitch(system="bulk-operation", mode="paused", reason="night shift", changed_at=db_now())
        session.add(paused)
    assert "Waits because Operations of staff is paused: night shift." in words(operator.get(address).text)


def test_a_reason_is_asked_for_and_what_was_typed_stays(operator, drafted):
    address, _ = drafted()
    answer = operator.post(f"{address}/start", reason='"' + "x" * 501)
    assert answer.status_code == 400
    assert "Use at most 500 characters" in answer.text
    assert 'value="&#34;xxx' in answer.text


def test_a_viewer_sees_it_and_changes_nothing(rows, operator, drafted, logged_in):
    address, tasks = drafted()
    viewer = logged_in(Role.VIEWER)
    page = viewer.get(address)
    assert page.status_code == 200
    assert "Start:" not in page.text
    for act in ("start", "pause", "resume", "stop"):
        assert viewer.post(f"{address}/{act}", reason="I try").status_code == 403
    assert viewer.post("/admin/tasks/operation", act="requeue", task=tasks).status_code == 403
    assert rows.read(Operation, number_of(address)).state == "draft"
    (refused,) = rows.audit("operation.start")
    assert (refused.subject, refused.actor) == (f"operation {number_of(address)}", "viewer@example.com")


@pytest.mark.parametrize("path", ["operations/99", "operation-items/", "operation-items/?state=done"])
def test_what_is_not_there_is_not_found(operator, path):
    assert operator.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize("query", ["operation=abc", "operation=-1", "operation=1&state=x", "operation=1&x=1"])
def test_an_unknown_filter_is_refused(operator, query):
    assert operator.get(f"/admin/operation-items/?{query}").status_code == 400
