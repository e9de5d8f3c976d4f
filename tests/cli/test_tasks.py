"""`flask tasks`: what is to be done, and what staff do about it from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select, update

from orderapp.models import AuditEntry, Task
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_job import run_job
from orderapp.services.orders.views import OrderView
from orderapp.systems.registry import system_classes
from tests.cli.conftest import Run
from tests.sandbox.running import RunningSandbox

Place = Callable[..., OrderView]


def rows(run: Run, *options: str) -> list[list[str]]:
    """Return the listed tasks' cells, without the heading."""
    result = run("tasks", "list", *options)
    assert result.exit_code == 0, result.output
    return [line.split() for line in result.stdout.splitlines()[1:]]


def state_of(app: Flask, task_id: str) -> str:
    with app.app_context(), reading() as session:
        return session.get_one(Task, int(task_id)).state


def test_tasks_are_listed_newest_first_with_what_they_wait_for(
    run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("settlement", "refuses")
    first = place("order-1")
    run_tasks()
    second = place("order-2")

    listed = rows(run)

    assert [(cells[1], cells[2], cells[3], cells[4]) for cells in listed] == [
        ("waiting", "notify", "email", second.number),
        ("waiting", "settle", "settlement", second.number),
        ("done", "notify", "email", first.number),
        ("failed", "settle", "settlement", first.number),
    ]
    assert "refused: answered 409 refused_by_sandbox" in " ".join(listed[3])
    assert "0 of 12" in " ".join(listed[0])
    assert listed[0][-2:] == ["s", "ago"]


def test_tasks_are_filtered_by_state_kind_system_and_number(
    run: Run, place: Place, run_tasks: Callable[[], None]
) -> None:
    place("order-1")
    run_tasks()
    place("order-2")
    assert {cells[1] for cells in rows(run, "--state", "waiting")} == {"waiting"}
    assert {cells[2] for cells in rows(run, "--kind", "notify")} == {"notify"}
    assert len(rows(run, "--system", "settlement", "--state", "done")) == 1
    assert len(rows(run, "--limit", "3")) == 3


def test_a_system_that_does_not_exist_is_named_with_those_that_do(run: Run) -> None:
    result = run("tasks", "list", "--system", "loyalty\x1b[2J")
    assert result.exit_code == 1
    assert f"is none of {', '.join(system.name for system in system_classes())}" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_requeued_task_is_due_again_and_the_act_is_recorded(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("email", "refuses")
    place("order-1")
    run_tasks()
    task_id = rows(run, "--state", "failed")[0][0]
    sandbox.clear_faults()

    result = run("tasks", "requeue", task_id, "--reason", "the mailbox is there again")

    assert (result.exit_code, result.stdout) == (0, f"Task {task_id} is requeued.\n")
    run_tasks()
    assert state_of(app, task_id) == "done"
    with app.app_context(), reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.act == "task.requeue")).one()
    assert (entry.actor, entry.reason, entry.staff_id) == ("command line", "the mailbox is there again", None)
    assert json.loads(entry.details)["before"]["state"] == "failed"


@pytest.fixture
def failed(run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox) -> dict[str, list[str]]:
    """Failed tasks by system: two settlements and two mails that were refused."""
    for system in ("settlement", "email"):
        sandbox.fault(system, "refuses")
    for number in (1, 2):
        place(f"order-{number}")
    run_tasks()
    sandbox.clear_faults()
    found: dict[str, list[str]] = {}
    for cells in reversed(rows(run, "--state", "failed")):
        found.setdefault(cells[3], []).append(cells[0])
    assert {system: len(ids) for system, ids in found.items()} == {"settlement": 2, "email": 2}
    return found


@pytest.mark.parametrize(
    ("options", "requeued"),
    [
        ((), {"settlement", "email"}),
        (("--system", "settlement"), {"settlement"}),
        (("--kind", "notify"), {"email"}),
        (("--code", "refused_by_sandbox"), {"settlement"}),
        (("--kind", "notify", "--code", "refused_by_sandbox"), set()),
        (("--code", "-"), set()),
        (("--system", "bygone"), set()),
    ],
)
def test_failed_tasks_are_requeued_by_what_they_have_in_common(
    app: Flask, run: Run, failed: dict[str, list[str]], options: tuple[str, ...], requeued: set[str]
) -> None:
    result = run("tasks", "requeue", "--failed", *options, "--reason", "mended")
    ids = {task_id for system in requeued for task_id in failed[system]}
    assert result.exit_code == 0, result.output
    assert result.stdout == (f"Operation 1 requeues {len(ids)} tasks.\n" if ids else "")
    assert result.stderr == ("" if ids else "No failed task matches.\n")
    carry_out(app)
    for system, task_ids in failed.items():
        states = {state_of(app, task_id) for task_id in task_ids}
        assert states == {"waiting" if system in requeued else "failed"}, system


def carry_out(app: Flask) -> None:
    """Run the job of the newest operation once."""
    with app.app_context():
        with reading() as session:
            jobs = session.scalars(select(Task.id).where(Task.system == "bulk-operation")).all()
        for task_id in jobs:
            run_job(task_id, app.extensions["orderapp.settings"])


def test_what_is_left_out_is_said_and_what_becomes_of_the_others_can_be_read(
    app: Flask, run: Run, failed: dict[str, list[str]], run_tasks: Callable[[], None]
) -> None:
    with app.app_context(), writing() as session:
        session.execute(update(Task).where(Task.id == int(failed["settlement"][0])).values(system="bygone"))
    result = run("tasks", "requeue", "--failed", "--kind", "settle", "--reason", "mended")
    assert (result.exit_code, result.stdout) == (1, "Operation 1 requeues 1 task.\n")
    [told] = result.stderr.splitlines()
    assert told.startswith(f"Left out: task {failed['settlement'][0]}: there is no system bygone")
    assert run("operations", "pause", "1", "--reason", "wait").stdout == "Operation 1 is paused.\n"
    assert run("operations", "pause", "1", "--reason", "wait").exit_code == 1
    assert run("operations", "resume", "1", "--reason", "go on").stdout == "Operation 1 goes on.\n"
    carry_out(app)
    assert run("operations", "stop", "1", "--reason", "enough").exit_code == 1
    shown = run("operations", "show", "1").stdout.splitlines()
    assert shown[0] == "running: 1 being worked on, 1 left out"
    assert "there is no system bygone" in shown[1]
    assert "requeue 2 tasks" in run("operations", "list").stdout
    assert run("operations", "show", "7").exit_code == 1


def test_what_another_operation_does_already_is_said_to_be_left_out(run: Run, failed: dict[str, list[str]]) -> None:
    assert run("tasks", "requeue", "--failed", "--kind", "settle", "--reason", "the bank is back").exit_code == 0
    result = run("tasks", "requeue", "--failed", "--reason", "all is back")
    assert (result.exit_code, result.stdout) == (1, "Operation 2 requeues 2 tasks.\n")
    [told] = result.stderr.splitlines()
    assert told == f"Left out: task {failed['settlement'][0]}, and 1 more: operation 1 does it already"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 2),
        (("7", "--failed"), 2),
        (("7", "--system", "settlement"), 2),
        (("7", "--code", "-"), 2),
        (("--failed", "--despite", "twice"), 2),
        (("--failed", "--kind", "pay"), 2),
        (("--failed", "--system", "\x1b[2J"), 1),
        (("--failed", "--code", "\x1b[2J"), 1),
        (("--failed", "--code", "\udcff"), 1),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_and_changes_nothing(
    app: Flask, run: Run, failed: dict[str, list[str]], arguments: tuple[str, ...], status: int
) -> None:
    result = run("tasks", "requeue", *arguments, "--reason", "mended")
    assert result.exit_code == status
    assert "Error: " in result.stderr
    assert "\x1b" not in result.stderr
    assert len(rows(run, "--state", "failed")) == 4


def test_of_several_tasks_each_is_done_or_refused_by_itself(app: Flask, run: Run, place: Place) -> None:
    place("order-1")
    settle, email = sorted(cells[0] for cells in rows(run))

    result = run("tasks", "cancel", settle, email, "4711", "--reason", "a test order")

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"Task {settle} is given up.", f"Task {email} is given up."]
    assert result.stderr == "There is no task 4711.\n"
    assert state_of(app, settle) == state_of(app, email) == "cancelled"


@pytest.mark.parametrize("verb", ["requeue", "cancel"])
def test_an_act_without_a_reason_is_refused_and_changes_nothing(app: Flask, run: Run, place: Place, verb: str) -> None:
    place("order-1")
    task_id = rows(run)[0][0]
    for reason in ("", "   "):
        result = run("tasks", verb, task_id, "--reason", reason)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: reason: ")
        assert result.stderr.count("\n") == 1
    assert state_of(app, task_id) == "waiting"


def test_numbers_that_are_no_tasks_are_refused_with_one_line(run: Run) -> None:
    for number in ("0", "99999999999999999999"):
        result = run("tasks", "cancel", number, "--reason", "a slip")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1


def test_a_marked_task_is_done_or_due_and_the_act_is_recorded(
    app: Flask, run: Run, place: Place, run_tasks: Callable[[], None], sandbox: RunningSandbox
) -> None:
    sandbox.fault("settlement", "refuses")
    for number in (1, 2):
        place(f"order-{number}")
    run_tasks()
    first, second = sorted(cells[0] for cells in rows(run, "--state", "failed"))
    sandbox.clear_faults()

    result = run("tasks", "mark", first, "--happened", "--reason", "paid by hand")
    assert (result.exit_code, result.stdout) == (0, f"Task {first} is marked as happened.\n")
    result = run("tasks", "mark", second, first, "--not-happened", "--reason", "they looked")
    assert (result.exit_code, result.stdout) == (1, f"Task {second} is marked as not happened.\n")
    assert result.stderr == f"Task {first} can't be marked as not happened: it is done.\n"

    assert (state_of(app, first), state_of(app, second)) == ("done", "waiting")
    with app.app_context(), reading() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.act.like("task.%happened"))).all()
    assert [(entry.act, entry.actor, entry.reason) for entry in entries] == [
        ("task.happened", "command line", "paid by hand"),
        ("task.not_happened", "command line", "they looked"),
    ]


def test_a_mark_without_one_word_and_a_reason_is_refused(run: Run) -> None:
    for options in (("--reason", "so"), ("--happened",), ("--happened", "--not-happened", "--reason", "so")):
        result = run("tasks", "mark", "1", *options)
        assert result.exit_code == 2
        assert "Missing option" in result.stderr
