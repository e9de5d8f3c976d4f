"""What staff do about several tasks at once: what is done, what is left out and decided one by one."""

import json
import re

import pytest

from orderapp.domain.states import TaskKind, TaskState
from orderapp.errors import InvalidRequest
from orderapp.models import Role, Task
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.bulk import MAX_SELECTION
from orderapp.services.db.audit import COMMAND_LINE


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


def shown_in(page):
    """The tasks that a preview's form would send."""
    return [int(found) for found in re.findall(r'type="hidden" name="task" value="([0-9]+)"', page)]


def test_all_failed_tasks_of_one_cause_are_requeued_in_one_go_and_no_others(rows, logged_in):
    settles = [rows.task() for _ in range(51)]
    others = [rows.task(kind=TaskKind.NOTIFY), rows.task(last_code="unauthorized")]
    browser = logged_in(Role.OPERATOR)
    listed = browser.get("/admin/tasks/?state=failed&kind=settle&code=http_500").text
    assert "Requeue all 51" in listed
    [address] = re.findall(r'href="(/admin/tasks/requeue-failed[^"]*)"', listed)
    assert browser.get("/admin/tasks/requeue-failed?kind=settel").status_code == 400
    page = browser.get(address.replace("&amp;", "&")).text
    assert "Requeue 51 tasks" in page
    shown = shown_in(page)
    assert set(shown) == set(settles)
    late = rows.task()
    assert browser.post("/admin/tasks/requeue", task=shown, reason="it is back", previewed="1").status_code == 303
    assert {rows.read(Task, task_id).state for task_id in settles} == {"waiting"}
    assert {rows.read(Task, task_id).state for task_id in [*others, late]} == {"failed"}, "what wasn't shown is left"
    (entry,) = rows.audit("tasks.requeue")
    assert (entry.subject, entry.reason) == ("51 tasks", "it is back")


@pytest.fixture
def doubtful_text(rows):
    """Writes a text message that may have gone out, by a system that would send it again."""

    def write(state=TaskState.FAILED, **values):
        task_id = rows.task(state, TaskKind.NOTIFY, system="sms", **values)
        rows.attempt(task_id, code="timeout", message="gave no answer in time")
        return task_id

    return write


def test_what_may_happen_twice_is_never_requeued_along_with_others(rows, logged_in, doubtful_text):
    safe, doubtful = [rows.task() for _ in range(54)], [doubtful_text() for _ in range(4)]
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/tasks/requeue-failed").text
    assert "58 were chosen; 4 are left out." in page
    assert "it may have happened already" in page.replace("It", "it")
    assert set(shown_in(page)) == set(safe)
    by_hand = browser.post("/admin/tasks/preview", act="requeue", task=[safe[0], *doubtful]).text
    assert shown_in(by_hand) == safe[:1]
    answer = browser.post("/admin/tasks/requeue", task=[*safe, *doubtful], reason="all of them")
    assert {rows.read(Task, task_id).state for task_id in safe} == {"waiting"}
    assert {rows.read(Task, task_id).state for task_id in doubtful} == {"failed"}
    assert "54 of 58 done" in browser.get(answer.location).text
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
def test_the_page_and_the_act_leave_out_the_same(rows, logged_in, what, act, left_out):
    task_id, other = rows.task(**what), rows.task()
    rows.attempt(task_id)
    browser = logged_in(Role.OPERATOR)
    page = browser.post("/admin/tasks/preview", act=act, task=[task_id, other]).text
    assert (task_id in shown_in(page)) is not left_out
    before = rows.read(Task, task_id)
    path = {"requeue": "requeue", "cancel": "cancel"}.get(act, "mark")
    browser.post(f"/admin/tasks/{path}", task=[task_id, other], resolution=act, reason="all")
    assert (rows.read(Task, task_id).fencing == before.fencing) is left_out


def test_what_staff_gave_up_is_taken_up_again_one_by_one(rows, logged_in):
    paid, other = rows.task(), rows.task()
    browser = logged_in(Role.OPERATOR)
    browser.post("/admin/tasks/cancel", task=[paid, other], reason="paid by hand")
    page = browser.post("/admin/tasks/preview", act="requeue", task=[paid, other]).text
    assert shown_in(page) == []
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


def test_a_preview_of_more_than_can_be_done_at_once_says_so(rows, logged_in, monkeypatch):
    monkeypatch.setattr("orderapp.admin.tasks.MAX_SELECTION", 3)
    tasks = [rows.task() for _ in range(5)]
    page = logged_in(Role.OPERATOR).get("/admin/tasks/requeue-failed").text
    assert "3 were chosen, the oldest of 5; none are left out." in page
    assert set(shown_in(page)) == set(tasks[:3])


def test_only_tasks_about_which_something_can_be_done_can_be_chosen(rows, logged_in):
    tasks = {state: rows.task(state) for state in TaskState}
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/tasks/").text
    for state, task_id in tasks.items():
        assert (f'name="task" value="{task_id}"' in page) is (state is not TaskState.DONE)
    assert "With the chosen tasks" not in browser.get("/admin/tasks/?state=done").text


@pytest.mark.parametrize("act", ["requeue", "cancel", "mark"])
def test_a_refused_form_comes_back_as_it_was_entered(rows, logged_in, everything, act):
    chosen = [rows.task(), rows.task()]
    browser = logged_in(Role.OPERATOR)
    before = everything()
    form = {"task": chosen, "resolution": "happened", "back": "/admin/tasks/?state=failed", "previewed": "1"}
    answer = browser.post(f"/admin/tasks/{act}", reason='"' + "x" * 500, **form)
    assert answer.status_code == 400
    assert "Use at most 500 characters" in answer.text
    assert 'value="&#34;xxx' in answer.text
    assert set(shown_in(answer.text)) == set(chosen)
    assert browser.post("/admin/tasks/preview", act="requeue", back="/admin/tasks/").location == "/admin/tasks/"
    assert "Choose at least one task." in browser.get("/admin/tasks/").text
    assert everything() == before
