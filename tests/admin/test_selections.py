"""What staff do about several tasks at once: what is done, what is left out and decided one by one."""

import json

import pytest
from sqlalchemy import select

from orderapp.domain.states import TaskKind, TaskState
from orderapp.errors import InvalidRequest
from orderapp.models import OperationItem, Role, Task
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.bulk import MAX_SELECTION
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading


def test_of_a_selection_each_is_done_or_refused_by_itself(rows, logged_in):
    failed, running, done, other = (
        rows.task(state) for state in (TaskState.FAILED, TaskState.RUNNING, TaskState.DONE, TaskState.FAILED)
    )
    browser = logged_in(Role.OPERATOR)
    answer = browser.post("/admin/tasks/requeue", task=[failed, running, done, other, 99], reason="all of them")
    (entry,) = rows.audit("tasks.requeue")
    assert answer.location == f"/admin/audit/{entry.id}"
    items = {item["task"]: item["done"] for item in json.loads(entry.details)["items"]}
    assert items == {failed: True, running: False, done: False, other: True, 99: False}
    assert [rows.read(Task, task_id).state for task_id in (failed, running, done, other)] == [
        "waiting",
        "running",
        "done",
        "waiting",
    ]
    assert len(rows.audit("task.requeue")) == 2
    page = browser.get(answer.location).text
    assert "2 of 5 done" in page
    assert "a worker has it right now" in page
    assert "There is no task 99" in page


@pytest.fixture
def prepared(app):
    """Prepares an operation from the list of tasks; returns its number, its page, and its tasks by what is planned."""

    def prepare(browser, act="requeue", query="", **form):
        answer = browser.post(f"/admin/tasks/operation{query}", act=act, **form)
        operation_id = int(answer.location.rpartition("/")[2])
        with reading() as session:
            items = session.scalars(select(OperationItem).where(OperationItem.operation_id == operation_id)).all()
        planned = [item.task_id for item in items if item.state == "planned"]
        return operation_id, browser.get(answer.location).text, planned

    return prepare


def test_all_failed_tasks_of_one_cause_are_chosen_in_one_go_and_no_others(rows, logged_in, prepared):
    settles = [rows.task() for _ in range(51)]
    rows.task(kind=TaskKind.NOTIFY), rows.task(last_code="unauthorized")
    browser = logged_in(Role.OPERATOR)
    listed = browser.get("/admin/tasks/?state=failed&kind=settle&code=http_500").text
    assert "all 51 that match" in " ".join(listed.split())
    assert browser.post("/admin/tasks/operation?kind=settel", act="requeue", which="all").status_code == 400
    query = "?state=failed&kind=settle&code=http_500"
    _, page, planned = prepared(browser, query=query, which="all", task=settles[0])
    assert "Requeue 51 tasks" in page
    assert "51 tasks were chosen (State: Failed, Kind: Settle, Cause: http_500)" in page
    assert planned == settles
    assert {rows.read(Task, task_id).state for task_id in settles} == {"failed"}, "nothing is done before the start"


@pytest.fixture
def doubtful_text(rows):
    """Writes a text message that may have gone out, by a system that would send it again."""

    def write(state=TaskState.FAILED, **values):
        task_id = rows.task(state, TaskKind.NOTIFY, system="sms", **values)
        rows.attempt(task_id, code="timeout", message="gave no answer in time")
        return task_id

    return write


def test_what_may_happen_twice_is_never_requeued_along_with_others(rows, logged_in, doubtful_text, prepared):
    safe, doubtful = [rows.task() for _ in range(5)], [doubtful_text() for _ in range(4)]
    browser = logged_in(Role.OPERATOR)
    _, page, planned = prepared(browser, which="all", query="?state=failed")
    assert "9 tasks were chosen (State: Failed)" in page
    assert "4 are left out." in page
    assert "it may have happened already" in page.replace("It", "it")
    assert planned == safe
    assert prepared(browser, task=[safe[0], *doubtful])[2] == safe[:1]
    answer = browser.post("/admin/tasks/requeue", task=[*safe, *doubtful], reason="by hand")
    assert {rows.read(Task, task_id).state for task_id in safe} == {"waiting"}
    assert {rows.read(Task, task_id).state for task_id in doubtful} == {"failed"}
    assert "5 of 9 done" in browser.get(answer.location).text
    browser.post("/admin/tasks/requeue", task=doubtful, reason="all the same", despite="twice")
    assert "one at a time" in browser.get("/admin/").text
    assert {rows.read(Task, task_id).state for task_id in doubtful} == {"failed"}


def test_it_is_decided_on_its_own_page_with_what_is_known(rows, logged_in, doubtful_text):
    task_id = doubtful_text()
    browser = logged_in(Role.OPERATOR)
    back = f"/admin/tasks/{task_id}"
    browser.post("/admin/tasks/requeue", task=task_id, reason="from the list, unseen", back=back)
    assert rows.read(Task, task_id).state == "failed"
    page = browser.get(back).text
    assert "without a decision on it alone" in page
    assert "Requeue all the same" in page
    assert "gave no answer in time" in page[page.index('id="requeue-risk"') :]
    assert 'name="despite" value="twice"' in page
    browser.post("/admin/tasks/requeue", task=task_id, reason="they never got it", back=back, despite="twice")
    task = rows.read(Task, task_id)
    assert (task.state, task.last_code, task.last_message) == ("waiting", None, "requeued by operator@example.com")
    unseen, entry = rows.audit("task.requeue")
    assert "without a decision" in unseen.refused
    assert json.loads(entry.details)["despite"] == "twice"
    assert browser.post("/admin/tasks/requeue", task=task_id, reason="x", despite="whatever").status_code == 400


@pytest.mark.parametrize(
    ("what", "act", "left_out"),
    [
        ({"kind": TaskKind.SETTLE}, "requeue", False),
        ({"kind": TaskKind.COMPENSATE}, "requeue", False),
        ({"kind": TaskKind.NOTIFY, "system": "sms"}, "requeue", True),
        ({"kind": TaskKind.NOTIFY, "system": "sms", "cleared_claims": 12}, "requeue", False),
        ({"kind": TaskKind.SETTLE}, "happened", False),
        ({"kind": TaskKind.NOTIFY, "system": "sms"}, "happened", False),
        ({"kind": TaskKind.NOTIFY, "system": "sms"}, "not_happened", True),
        ({"kind": TaskKind.SETTLE}, "not_happened", False),
        ({"kind": TaskKind.COMPENSATE}, "not_happened", True),
        ({"kind": TaskKind.COMPENSATE}, "cancel", False),
    ],
)
def test_the_page_and_the_act_leave_out_the_same(rows, logged_in, prepared, what, act, left_out):
    task_id, other = rows.task(**what), rows.task()
    rows.attempt(task_id)
    browser = logged_in(Role.OPERATOR)
    _, _, planned = prepared(browser, act, task=[task_id, other])
    assert (task_id in planned) is not left_out
    before = rows.read(Task, task_id)
    path = {"requeue": "requeue", "cancel": "cancel"}.get(act, "mark")
    browser.post(f"/admin/tasks/{path}", task=[task_id, other], resolution=act, reason="all")
    assert (rows.read(Task, task_id).fencing == before.fencing) is left_out


def test_what_staff_gave_up_is_taken_up_again_one_by_one(rows, logged_in, prepared):
    paid, other = rows.task(), rows.task()
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/cancel", task=[paid, other], reason="paid by hand")
    _, page, planned = prepared(browser, task=[paid, other])
    assert planned == []
    assert "Nothing can be done to these tasks together" in page
    assert "staff gave it up (paid by hand)" in page.replace("Staff", "staff")
    browser.post("/admin/tasks/requeue", task=[paid, other], reason="again")
    assert {rows.read(Task, task_id).state for task_id in (paid, other)} == {"cancelled"}


def test_a_selection_can_be_cancelled_as_well(rows, logged_in):
    chosen = [rows.task(), rows.task(TaskState.WAITING)]
    logged_in(Role.OPERATOR).post("/admin/tasks/cancel", task=chosen, reason="a test run")
    assert {rows.read(Task, task_id).state for task_id in chosen} == {"cancelled"}
    assert len(rows.audit("tasks.cancel")) == 1


def test_a_selection_needs_something_and_has_an_end(app, settings):
    for ids in ([], range(1, MAX_SELECTION + 2), [2**63]):
        with pytest.raises(InvalidRequest):
            task_actions.requeue(ids, COMMAND_LINE, "all", settings)


def test_only_tasks_about_which_something_can_be_done_can_be_chosen(rows, logged_in):
    tasks = {state: rows.task(state) for state in TaskState}
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/tasks/").text
    for state, task_id in tasks.items():
        assert (f'name="task" value="{task_id}"' in page) is (state is not TaskState.DONE)
    assert "With the chosen tasks" not in browser.get("/admin/tasks/?state=done").text


def test_forms_that_no_page_sends_are_refused(rows, logged_in, everything):
    task_id, browser = rows.task(), logged_in(Role.OPERATOR)
    before = everything()
    for form in (
        {"act": "delete", "task": task_id},
        {"act": "requeue", "task": "abc"},
        {"act": "requeue", "task": "-1"},
    ):
        assert browser.post("/admin/tasks/operation", **form).status_code == 400
    assert browser.post("/admin/tasks/operation", act="requeue", task=list(range(1, 202))).status_code == 400
    answer = browser.post("/admin/tasks/operation", act="requeue", back="/admin/tasks/")
    assert answer.location == "/admin/tasks/"
    assert "Choose at least one task." in browser.get("/admin/tasks/").text
    assert everything() == before
