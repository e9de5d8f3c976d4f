"""What staff do about tasks, orders and systems: what changes, what is refused, what is recorded."""

import json
import re

import pytest
from sqlalchemy import select

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.errors import InvalidRequest
from orderapp.models import Circuit, Order, Role, SystemSwitch, Task, db_now, seconds_until
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.bulk import MAX_SELECTION
from orderapp.services.backoffice.overview import look
from orderapp.services.db.audit import COMMAND_LINE, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.saga.compensation import close_if_complete
from tests.admin.conftest import apart_from_refusals

ADMIN = Actor(3, "admin@example.com")


def due_in_seconds(task_id):
    with reading() as session:
        return session.execute(select(seconds_until(Task.due_at)).where(Task.id == task_id)).scalar_one()


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.WAITING, TaskState.CANCELLED])
@pytest.mark.parametrize("kind", TaskKind)
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
        (TaskState.DONE, TaskKind.COMPENSATE, OrderState.FAILED, "its order is failed"),
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
        assert not close_if_complete(session, task.order_id, task.placement_id)
    assert rows.read(Order, task.order_id).state == "compensating"
    debts = look(settings.systems).words
    assert (debts.debt_count.number, debts.debts[0].task_id) == (1, task_id)
    assert task.key in browser.get("/admin/").text
    assert "nobody works on it" in browser.get(f"/admin/orders/{rows.number(task.order_id)}").text
    browser.post("/admin/tasks/requeue", task=task_id, reason="it wasn't gone")
    assert not look(settings.systems).words.debt_count


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
    browser.post(f"/admin/tasks/{path}", task=[task_id, other], word=act, reason="all")
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


def test_a_selection_needs_something_and_has_an_end(app, settings):
    for ids in ([], range(1, MAX_SELECTION + 2), [2**63]):
        with pytest.raises(InvalidRequest):
            task_actions.requeue(ids, COMMAND_LINE, "all", settings)


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


def test_a_system_is_paused_and_resumed_with_reasons(rows, logged_in):
    browser = logged_in(Role.OPERATOR)
    for mode, reason in (("paused", "it lies"), ("compensate_only", "half well"), ("on", "well again")):
        assert browser.post("/admin/systems/coupon/switch", mode=mode, reason=reason).status_code == 303
        switch = rows.read(SystemSwitch, "coupon")
        assert (switch.mode, switch.reason) == (mode, reason)
        if mode != "on":
            assert reason in browser.get("/admin/").text
    assert [json.loads(entry.details)["before"] for entry in rows.audit("system.switch") if not entry.refused] == [
        "on",
        "paused",
        "compensate_only",
    ]
    browser.post("/admin/systems/coupon/switch", mode="on", reason="once more")
    assert "in this mode already" in browser.get("/admin/").text
    assert len([entry for entry in rows.audit("system.switch") if not entry.refused]) == 3


@pytest.mark.parametrize(("path", "mode", "status"), [("nonesuch", "paused", 404), ("coupon", "off", 400)])
def test_unknown_systems_and_modes_are_refused(logged_in, everything, path, mode, status):
    browser = logged_in(Role.OPERATOR)
    before = everything()
    assert browser.post(f"/admin/systems/{path}/switch", mode=mode, reason="try").status_code == status
    assert everything() == before


def test_a_failing_system_is_shown_with_its_reason_and_used_again_by_hand(rows, logged_in):
    moments = {"changed_at": db_now(-90), "probe_at": db_now(30), "order_probe_at": db_now(), "check_at": db_now()}
    reason = "8 of its newest 10 calls failed; the last: gave no answer in time"
    with writing() as session:
        session.add(
            Circuit(system="coupon", state="open", reason=reason, probe_pause_seconds=4, pulled_task_id=0, **moments)
        )
    browser = logged_in(Role.OPERATOR)
    page = browser.get("/admin/").text
    assert "Fails: given a rest" in page
    assert reason in page
    assert "Use again now" in page
    assert browser.post("/admin/systems/coupon/switch", mode="on", reason="they called").status_code == 303
    assert "what waits for it is being pulled forward" in browser.get("/admin/").text
    [entry] = rows.audit("system.switch")
    assert json.loads(entry.details)["circuit_before"] == "open"


@pytest.mark.parametrize("act", ["requeue", "cancel", "mark"])
def test_a_refused_form_comes_back_as_it_was_entered(rows, logged_in, everything, act):
    chosen = [rows.task(), rows.task()]
    browser = logged_in(Role.OPERATOR)
    before = everything()
    form = {"task": chosen, "word": "happened", "back": "/admin/tasks/?state=failed", "previewed": "1"}
    answer = browser.post(f"/admin/tasks/{act}", reason='"' + "x" * 500, **form)
    assert answer.status_code == 400
    assert "Use at most 500 characters" in answer.text
    assert 'value="&#34;xxx' in answer.text
    assert set(shown_in(answer.text)) == set(chosen)
    assert browser.post("/admin/tasks/preview", act="requeue", back="/admin/tasks/").location == "/admin/tasks/"
    assert "Choose at least one task." in browser.get("/admin/tasks/").text
    assert everything() == before


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
