"""Jobs in the back office: their tasks, attempts, switch, and what is done about them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from orderapp.domain.states import TaskState
from orderapp.ext import Daily, Run, job
from orderapp.models import Attempt, Role, SystemSwitch, Task, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.enqueue import enqueue_alone, plan_next_runs
from orderapp.services.engine.run_job import run_job
from orderapp.services.operations.doctor import examine
from orderapp.systems.job_registry import Jobs

PRINTED = []


@job("print-labels", every=Daily("02:00", "Europe/Berlin"), attempts=1)
def print_labels(run: Run) -> dict[str, int]:
    if run.arguments.get("paper") == "none":
        raise OSError("no paper, nowhere")
    PRINTED.append(run.arguments)
    return {"labels": 7}


@pytest.fixture
def knowing(app, settings):
    """The application knows the job."""
    with_job = replace(settings, jobs=Jobs([replace(print_labels, backoff=replace(print_labels.backoff, attempts=1))]))
    app.extensions["orderapp.settings"] = with_job
    yield with_job
    app.extensions["orderapp.settings"] = settings


def ran(knowing, **arguments):
    task_id = enqueue_alone(print_labels, arguments)
    run_job(task_id, knowing)
    return task_id


def test_a_run_and_what_it_came_to_are_shown(knowing, logged_in):
    task_id = ran(knowing, day="2026-01-01")
    browser = logged_in(Role.VIEWER)
    page = browser.get(f"/admin/tasks/{task_id}").text
    for text in ("Job: Print labels", "Print labels ran", "Done", "{&#34;labels&#34;: 7}", "2026-01-01", "Returned"):
        assert text in page, text
    assert "Did it happen?" not in page
    assert "Order</dt>" not in page
    listed = browser.get("/admin/tasks/?system=print-labels&kind=job").text
    assert f"Job {task_id}" in listed
    assert "Print labels" in listed


def test_a_failed_run_is_in_staffs_hands_and_requeued_with_a_reason(knowing, logged_in, rows):
    task_id = ran(knowing, paper="none")
    assert rows.read(Task, task_id).state == TaskState.FAILED.value
    browser = logged_in(Role.OPERATOR)
    overview = browser.get("/admin/").text
    assert "OSError: no paper, nowhere" in overview
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert "OSError: no paper, nowhere (test_jobs.py, line" in page
    assert "what it has done stays" in page
    prepared = browser.post("/admin/tasks/operation", act="requeue", task=[task_id]).location
    assert "is run again; what it has done before stays" in browser.get(prepared).text
    browser.post("/admin/tasks/requeue", task=task_id, reason="paper is in", back=f"/admin/tasks/{task_id}")
    assert rows.read(Task, task_id).state == TaskState.WAITING.value
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert "paper is in" in page, "its acts of staff are found without an order"
    (entry,) = rows.audit("task.requeue")
    assert (entry.subject, entry.order_id) == (f"task {task_id}", None)


@pytest.mark.parametrize("resolution", ["happened", "not_happened"])
def test_a_job_has_no_effect_to_mark(knowing, logged_in, rows, resolution):
    task_id = ran(knowing, paper="none")
    browser = logged_in(Role.OPERATOR)
    prepared = browser.post("/admin/tasks/operation", act=resolution, task=[task_id]).location
    assert "A job has no effect" in browser.get(prepared).text
    browser.post("/admin/tasks/mark", task=task_id, resolution=resolution, reason="I saw it", back="/admin/tasks/")
    assert rows.read(Task, task_id).state == TaskState.FAILED.value


def test_it_is_given_up_and_leaves_nothing_unresolved(knowing, logged_in, rows):
    task_id = ran(knowing, paper="none")
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/cancel", task=task_id, reason="no labels today", back="/admin/tasks/")
    assert rows.read(Task, task_id).state == TaskState.CANCELLED.value
    assert "None: nothing that is owed or held was given up" in browser.get("/admin/").text


def test_the_overview_says_when_it_runs_next_and_what_it_came_to(knowing, logged_in):
    plan_next_runs(knowing)
    ran(knowing)
    page = logged_in(Role.VIEWER).get("/admin/").text
    for text in ("Print labels", "Runs daily at 02:00 Europe/Berlin", "{&#34;labels&#34;: 7}", "1 waiting"):
        assert text in page, text
    with reading() as session:
        planned = session.scalars(select(Task.scheduled_at).where(Task.scheduled_at.is_not(None))).one()
    assert planned.isoformat() in page


def test_staff_run_it_now_and_its_planned_run_stays(knowing, logged_in, rows):
    plan_next_runs(knowing)
    with reading() as session:
        planned = session.scalars(select(Task).where(Task.scheduled_at.is_not(None))).one()
    browser = logged_in(Role.OPERATOR)
    page = browser.get(f"/admin/tasks/{planned.id}").text
    for text in ("This one stays, and runs at its time.", "Run now</button>"):
        assert text in page, text
    browser.post("/admin/tasks/requeue", task=planned.id, reason="earlier", back="/admin/tasks/")
    assert rows.read(Task, planned.id).due_at == planned.due_at
    browser.post(f"/admin/tasks/{planned.id}/run-now", reason=" ")
    assert rows.audit("job.run") == []
    assert browser.post(f"/admin/tasks/{planned.id}/run-now", reason="the boss asks").status_code == 303
    assert "Print labels runs now" in browser.get(f"/admin/tasks/{planned.id}").text
    (entry,) = rows.audit("job.run")
    assert (entry.subject, entry.reason) == ("job print-labels", "the boss asks")
    task_id = json.loads(entry.details)["task"]
    browser.post(f"/admin/tasks/{planned.id}/run-now", reason="pressed twice")
    assert f"task {task_id} still waits to run. Nothing was changed." in browser.get("/admin/").text
    assert [entry.refused is not None for entry in rows.audit("job.run")] == [False, True]
    assert (run_job(task_id, knowing), rows.read(Task, task_id).scheduled_at) == (TaskState.DONE, None)
    assert rows.read(Task, planned.id).due_at == planned.due_at
    browser.post(f"/admin/tasks/{planned.id}/run-now", reason="once more")
    assert json.loads(rows.audit("job.run")[-1].details)["task"] > task_id


def test_staff_pause_and_resume_it(knowing, logged_in, rows):
    browser = logged_in(Role.OPERATOR)
    assert browser.post("/admin/systems/print-labels/switch", mode="paused", reason="no ink").status_code == 303
    assert rows.read(SystemSwitch, "print-labels").mode == "paused"
    task_id = ran(knowing)
    assert rows.read(Task, task_id).state == TaskState.WAITING.value
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert "Waits because Print labels is paused: no ink" in page
    browser.post("/admin/systems/print-labels/switch", mode="compensate_only", reason="half")
    assert rows.read(SystemSwitch, "print-labels").mode == "paused"
    assert "compensates nothing" in browser.get("/admin/").text
    browser.post("/admin/systems/print-labels/switch", mode="on", reason="ink")
    assert run_job(task_id, knowing) is TaskState.DONE


def test_a_job_that_is_gone_is_shown_by_its_name_and_counted(app, settings, logged_in, rows):
    with writing() as session:
        session.add(
            Task(
                kind="job", system="bygone-report", key="k", state="waiting", due_at=db_now(), attempts=0,
                attempt_limit=3, arguments="{}", pending_answers=0, repeats=0, created_at=db_now(),
            )
        )  # fmt: skip
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/").text
    assert "Unknown job" in page
    assert "<strong>bygone-report</strong> isn't known to the running version" in page
    assert "not cancelled" not in page
    with reading() as session:
        task_id = session.scalars(select(Task.id).where(Task.system == "bygone-report")).one()
    assert "running version doesn&#39;t know bygone-report" in browser.get(f"/admin/tasks/{task_id}").text
    assert browser.get("/admin/tasks/?system=bygone-report").status_code == 200
    said = {check.name: check.detail for check in examine(settings)}
    assert "1 waiting tasks wait for a version that knows it" in said["bygone-report"]
    assert "orders" not in said["bygone-report"]


def test_doctor_lists_it(knowing):
    said = {check.name: (check.state.value, check.detail) for check in examine(knowing)}
    assert said["print-labels"] == ("ok", "job, daily at 02:00 Europe/Berlin")


def test_the_attempts_of_jobs_and_orders_are_kept_apart(knowing, rows):
    task_id = ran(knowing)
    with reading() as session:
        [attempt] = session.scalars(select(Attempt).where(Attempt.task_id == task_id))
    assert (attempt.order_id, attempt.verb, json.loads(attempt.exchanges)[0]["response"]) == (
        None, "run", '{"labels": 7}'
    )  # fmt: skip
