"""Manual resolutions in the back office: what staff are told before, what the effect ledger shows after."""

import json
import re

import pytest

from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.models import Order, Role, Step, Task
from orderapp.services.backoffice.overview import look
from orderapp.services.db.transactions import writing
from orderapp.services.orders.views import find_order


@pytest.fixture
def browser(logged_in):
    return logged_in(Role.OPERATOR)


@pytest.fixture
def doubtful(rows):
    """Returns a task in staff's hands whose effect may have happened."""

    def make(kind=TaskKind.SETTLE, state=TaskState.FAILED, **values):
        task_id = rows.task(state, kind, **values)
        rows.attempt(task_id)
        return task_id

    return make


def mark(browser, resolution, *task_ids, reason="they looked for us"):
    back = f"/admin/tasks/{task_ids[0]}"
    page = browser.get(f"/admin/tasks/{task_ids[0]}").text if len(task_ids) == 1 else ""
    shown = re.search(r'id="mark".*?name="despite" value="([a-z-]+)".*?reason-mark', page, re.DOTALL)
    more = {"despite": shown[1]} if shown else {}
    return browser.post(
        "/admin/tasks/mark", task=list(task_ids), resolution=resolution, reason=reason, back=back, **more
    )


@pytest.mark.parametrize(
    ("kind", "values", "told"),
    [
        (TaskKind.SETTLE, {}, "If it did not happen after all, the order stays unpaid. Reconciliation will look."),
        (TaskKind.SETTLE, {}, "If it did happen after all, its key keeps it from happening twice."),
        (TaskKind.NOTIFY, {"system": "sms"}, "the customer never gets the message. Nobody can look that up."),
        (TaskKind.NOTIFY, {"system": "sms"}, "If it did happen after all, the customer gets the message twice."),
        (TaskKind.COMPENSATE, {}, "is asked to undo it, at once"),
        (TaskKind.COMPENSATE, {}, "keeps holding it for an order that is over. Reconciliation will look."),
    ],
)
def test_before_the_word_the_page_tells_what_follows(rows, browser, doubtful, kind, values, told):
    task_id = doubtful(kind, **values)
    with writing() as session:
        for step in session.query(Step):
            step.state = StepState.UNKNOWN.value
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert told in page
    assert "Mark as happened" in page
    assert "Mark as not happened" in page


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (TaskKind.SETTLE, "The money stays owed, counted as an unresolved effect"),
        (TaskKind.NOTIFY, "the customer may never get the message"),
        (TaskKind.COMPENSATE, "stays counted as an unresolved effect"),
    ],
)
def test_before_giving_up_the_page_tells_what_follows(rows, browser, kind, told):
    assert told in browser.get(f"/admin/tasks/{rows.task(kind=kind)}").text


def test_where_nothing_is_in_doubt_the_page_says_why_and_offers_nothing(rows, browser):
    task_id = rows.task(TaskState.WAITING)
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert "nothing is in doubt; it waits for its time" in page
    assert "Mark as happened" not in page


def test_a_mark_is_recorded_and_in_the_ledger_of_its_order(rows, browser, doubtful):
    task_id = doubtful()
    assert mark(browser, "happened", task_id, reason="on our <account>").location == f"/admin/tasks/{task_id}"
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert f"Task {task_id} is marked as happened." in page
    assert "Not proven yet." in page
    task = rows.read(Task, task_id)
    assert task.state == "done"
    (entry,) = rows.audit("task.happened")
    assert (entry.actor, entry.staff_id, entry.order_id) == ("operator@example.com", 2, task.order_id)
    order = browser.get(f"/admin/orders/{rows.number(task.order_id)}").text
    assert "In place, as marked by staff" in order
    assert "on our &lt;account&gt;" in order
    assert "All right, as marked by staff" in order
    assert "Settlement did its part, as operator@example.com marked it; nothing has proven it yet." in order
    assert "Marked a task as happened" in browser.get("/admin/audit/").text


def test_the_first_page_counts_what_is_unproven_with_its_age_and_the_way_there(rows, settings, browser, doubtful):
    given_up, happened, text = doubtful(TaskKind.COMPENSATE), doubtful(), doubtful(TaskKind.NOTIFY, system="sms")
    browser.post("/admin/tasks/cancel", task=given_up, reason="they closed down")
    mark(browser, "happened", happened)
    mark(browser, "happened", text)
    resolutions = look(settings.systems).resolutions
    assert [str(count) for count in (resolutions.unresolved_count, resolutions.mark_count, resolutions.unprovable)] == [
        "1",
        "1",
        "1",
    ]
    assert 0 <= resolutions.unresolved[0].age_seconds < 60
    page = browser.get("/admin/").text
    unresolved, marks = page.index('id="unresolved"'), page.index('id="marks"')
    assert unresolved < page.index(f'/admin/tasks/{given_up}"') < page.index("they closed down") < marks
    assert marks < page.index(f'/admin/tasks/{happened}"')
    assert f'/admin/tasks/{text}"' not in page
    assert "1 more about systems that can't be asked" in page
    browser.post("/admin/tasks/requeue", task=given_up, reason="they are back")
    assert "None: nothing that is owed or held was given up." in browser.get("/admin/").text


def test_a_compensation_with_nothing_to_undo_ends_its_order_and_the_verdict_says_who_marked_it(rows, browser, doubtful):
    task_id = doubtful(TaskKind.COMPENSATE)
    order_id = rows.read(Task, task_id).order_id
    mark(browser, "not_happened", task_id)
    assert rows.read(Order, order_id).state == "cancelled"
    page = browser.get(f"/admin/orders/{rows.number(order_id)}").text
    assert "Cancelled; nothing is held any more, as marked by staff" in page
    assert "Nothing, as marked by staff" in page


def test_the_ledger_of_an_order_says_what_may_be_in_place_and_nothing_of_other_orders(rows, browser, doubtful):
    def ledger(task_id):
        return browser.get(f"/admin/orders/{rows.number(rows.read(Task, task_id).order_id)}").text

    unclear, never_tried = ledger(doubtful()), ledger(rows.task())
    assert ("May be in place" in unclear, "Nothing yet" in unclear) == (True, False)
    assert ("May be in place" in never_tried, "Nothing yet" in never_tried) == (False, True)


def test_of_a_marked_selection_each_is_done_or_refused_by_itself(rows, browser, doubtful):
    first, second, done = doubtful(), doubtful(TaskKind.NOTIFY), rows.task(TaskState.DONE)
    answer = mark(browser, "not_happened", first, second, done)
    (entry,) = rows.audit("tasks.not_happened")
    assert answer.location == f"/admin/audit/{entry.id}"
    assert [item["done"] for item in json.loads(entry.details)["items"]] == [True, True, False]
    assert {rows.read(Task, task_id).state for task_id in (first, second)} == {"waiting"}
    assert "2 of 3 done" in browser.get(answer.location).text


@pytest.mark.parametrize("resolution", ["", "given_up", "maybe", "happened\x00"])
def test_what_is_no_word_is_refused(browser, everything, doubtful, resolution):
    task_id = doubtful()
    before = everything()
    assert mark(browser, resolution, task_id).status_code == 400
    assert everything() == before


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines"])
def test_a_word_needs_a_reason(browser, everything, doubtful, reason):
    task_id = doubtful()
    before = everything()
    assert mark(browser, "happened", task_id, reason=reason).status_code == 303
    assert everything() == before


def test_who_may_only_look_is_offered_no_word_but_sees_what_was_said(rows, logged_in, browser, doubtful):
    task_id, other = doubtful(), doubtful()
    mark(browser, "happened", task_id)
    viewer = logged_in(Role.VIEWER)
    assert "Mark as" not in viewer.get(f"/admin/tasks/{other}").text
    assert "Mark as" not in viewer.get("/admin/tasks/").text
    assert "they looked for us" in viewer.get(f"/admin/tasks/{task_id}").text


def test_who_sees_an_order_from_outside_sees_nothing_of_the_word(rows, browser, doubtful):
    task_id = doubtful()
    order_id = rows.read(Task, task_id).order_id
    mark(browser, "happened", task_id)
    # The record from which the API and the shop draw an order.
    seen = repr(find_order(order_id))
    assert "operator@example.com" not in seen
    assert "they looked for us" not in seen


@pytest.mark.parametrize("state", OrderState)
def test_every_order_has_its_books(rows, browser, state):
    order_id = rows.order(state)
    page = browser.get(f"/admin/orders/{rows.number(order_id)}").text
    assert 'id="effects"' in page
    assert f"{rows.number(order_id)}:1:inventory" in page
