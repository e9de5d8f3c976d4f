"""The page of an order: the verdict with times, the act that comes first, the customer's side, the time axis."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from orderapp.config import Settings
from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.models import ApiToken, Attempt, Placement, Role, Step, SwitchMode, Task, db_now
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.resilience.switches import switch_system
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture
def operator(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.OPERATOR)


def words(browser: Browser, path: str) -> str:
    """A page as it is read: without tags, in single blanks."""
    return " ".join(html.unescape(TAGS.sub("", browser.get(path).text)).split())


def page_of(rows: Rows, task_id: int) -> str:
    return f"/admin/orders/{rows.number(rows.read(Task, task_id).order_id)}"


def test_the_verdict_says_since_when_and_what_took_long(rows: Rows, operator: Browser) -> None:
    order_id = rows.order(OrderState.FAILED)
    ended = {"attempts": 3, "created_at": db_now(-300), "finished_at": db_now(-60)}
    task_id = rows.task(TaskState.DONE, TaskKind.COMPENSATE, order_id, **ended)
    with writing() as session:
        session.execute(update(Placement).values(decided_at=db_now(-300)))
    rows.attempt(task_id, message="gave no answer in time", started_at=db_now(-200))
    page = words(operator, page_of(rows, task_id))
    assert re.search(r"Failed; nothing is held anywhere since \d\d:\d\d", page)
    assert "It took 4 min to release the stock, in 3 tries, because Stock gave no clear answer (gave no answer" in page


def test_the_act_that_comes_first_is_done_from_the_order_and_leads_back(rows: Rows, operator: Browser) -> None:
    task_id = rows.task()
    path = page_of(rows, task_id)
    page = operator.get(path).text
    assert "Settlement is called again under the same key, so nothing happens twice." in page
    assert ">Try again to take payment</button>" in page
    answer = operator.post("/admin/tasks/requeue", task=task_id, reason="they are back", back=path)
    assert (answer.status_code, answer.location) == (303, path)
    assert rows.read(Task, task_id).state == TaskState.WAITING.value
    assert "Try again to take payment" not in operator.get(path).text


def test_what_may_happen_twice_is_no_button_but_a_decision(rows: Rows, operator: Browser) -> None:
    task_id = rows.task(TaskState.FAILED, TaskKind.NOTIFY, system="sms")
    rows.attempt(task_id, system="sms")
    page = operator.get(page_of(rows, task_id)).text
    assert f'href="/admin/tasks/{task_id}" aria-describedby="next-act">Decide how to send the text message</a>' in page
    assert "It may have happened already, and Text message would do it a second time." in page
    assert 'action="/admin/tasks/requeue"' not in page


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.CANCELLED])
def test_a_cancelled_order_asks_nobody_to_take_its_payment(rows: Rows, operator: Browser, state: TaskState) -> None:
    task_id = rows.task(state, order_id=rows.order(OrderState.CANCELLED))
    page = words(operator, page_of(rows, task_id))
    assert "Cancelled; nothing is held any more" in page
    assert "Decide how to" not in page
    assert "Try again to" not in page


def test_who_only_looks_is_told_whom_to_ask(rows: Rows, logged_in: Callable[[Role], Browser]) -> None:
    page = logged_in(Role.VIEWER).get(page_of(rows, rows.task())).text
    assert "Try again to take payment: ask an operator." in page
    assert 'action="/admin/tasks/requeue"' not in page


def test_staff_see_what_the_customer_sees_and_a_reply_in_the_same_words(rows: Rows, operator: Browser) -> None:
    number = rows.number(rows.order())
    page = operator.get(f"/admin/orders/{number}").text
    link = re.search(rf'href="([^"]*/orders/{number}\.[^"]+)">See that page', page)
    assert link
    shop = operator.get(re.sub(r"https?://[^/]*", "", link[1]))
    assert "<h1>Your order is confirmed</h1>" in shop.text
    assert "“Your order is confirmed”" in page
    reply = html.unescape(page.partition("<textarea")[2].partition("</textarea>")[0])
    assert f"about your order {number}:" in reply
    assert "We have all we need from you." in reply
    assert link[1] in reply


def test_an_order_of_an_api_client_has_no_page_in_the_shop(rows: Rows, operator: Browser) -> None:
    with writing() as session:
        session.add(ApiToken(id=1, name="till", token_hash="0" * 64, created_at=db_now()))
    page = operator.get(f"/admin/orders/{rows.number(rows.order(client_id=1))}").text
    assert "The API client tells the customer" in page
    assert "See that page" not in page


def test_each_attempt_says_what_led_to_it_and_how_long_it_had_waited(rows: Rows, operator: Browser) -> None:
    task_id = rows.task(created_at=db_now(-3600))
    rows.attempt(task_id, number=1, started_at=db_now(-3590))
    rows.attempt(task_id, number=2, started_at=db_now(-3470))
    page = words(operator, page_of(rows, task_id))
    assert re.search(r"Because the order was confirmed, after 1\d s", page)
    assert re.search(r"Because the attempt before had no clear answer, after (2 min|1 min 5\d s)", page)
    operator.post("/admin/tasks/requeue", task=task_id, reason="they are back")
    rows.attempt(task_id, number=3, started_at=db_now(1))
    page = words(operator, page_of(rows, task_id))
    assert re.search(r"Because operator@example.com tried it again, after \d s", page)


def test_the_axis_has_a_mark_for_all_that_the_list_has_in_its_order(rows: Rows, operator: Browser) -> None:
    at = db_now(-60)
    task_id = rows.task(created_at=at)
    ids = [rows.attempt(task_id, number=number, started_at=at) for number in range(1, 5)]
    operator.post("/admin/tasks/requeue", task=task_id, reason="they are back")
    page = operator.get(page_of(rows, task_id)).text
    axis, history = page.partition("<svg")[2].partition("</svg>")[0], page.partition('<ol class="timeline">')[2]
    marks = re.findall(r'<a href="#([^"]+)" tabindex="-1">.*?cx="([\d.]+)"', axis)
    anchors = re.findall(r'<li data-state="\w+" id="([^"]+)"', history)
    assert [anchor for anchor, _ in marks] == anchors[::-1]
    places = [float(x) for _, x in marks]
    assert places == sorted(set(places)), "each has a place of its own"
    assert [f"attempt-{one}" for one in ids] == [one for one in anchors[::-1] if one.startswith("attempt-")]
    for lane in ("Customer", "Settlement", "Staff"):
        assert f">{lane}</text>" in axis
    assert "style=" not in page


def test_terms_of_the_engine_stand_under_details(rows: Rows, operator: Browser) -> None:
    number = rows.number(rows.order())
    before, _, details = operator.get(f"/admin/orders/{number}").text.partition('<details class="card technical">')
    assert f"{number}:1:inventory" in details
    assert f"{number}:1:inventory" not in before
    assert "lacement" not in TAGS.sub("", before)


def test_a_press_has_the_systems_asked_and_shows_the_answer(rows: Rows, operator: Browser) -> None:
    number = rows.number(rows.order())
    path = f"/admin/orders/{number}"
    assert "Check all now" in operator.get(path).text
    answer = operator.post(f"{path}/check", system="inventory")
    assert (answer.status_code, answer.location) == (303, f"{path}#effects")
    page = words(operator, path)
    assert "Stock gave no clear answer (" in page
    assert "operator@example.com had Stock asked what is in place: no clear answer" in page
    operator.post(f"{path}/check")
    assert "It was asked about this a moment ago. Nothing was asked; try again in" in words(operator, path)
    assert [entry.actor for entry in rows.audit("order.check")] == ["operator@example.com"]


def test_nobody_has_systems_asked_who_may_not(
    rows: Rows, operator: Browser, logged_in: Callable[[Role], Browser]
) -> None:
    path = f"/admin/orders/{rows.number(rows.order())}"
    viewer = logged_in(Role.VIEWER)
    assert "Check all now" not in viewer.get(path).text
    assert viewer.post(f"{path}/check").status_code == 403
    assert operator.send(f"{path}/check", {}).status_code == 400
    assert operator.post(f"{path}/check", system="nonesuch\x00").status_code == 303
    assert "There is nothing to ask about now" in operator.get(path).text
    assert operator.post("/admin/orders/00000-00000/check").status_code == 404
    assert operator.get(f"{path}/check").status_code == 405


def test_a_pause_of_its_systems_is_on_the_axis_while_the_order_waited(
    rows: Rows, operator: Browser, settings: Settings
) -> None:
    ended = rows.task(TaskState.DONE, finished_at=db_now(-60))
    rows.attempt(ended)
    waiting = rows.task(TaskState.WAITING)
    rows.attempt(waiting)
    for system, mode in (("settlement", SwitchMode.PAUSED), ("settlement", SwitchMode.ON), ("sms", SwitchMode.PAUSED)):
        switch_system(system, mode, COMMAND_LINE, f"{system} maintenance", settings)
    page = operator.get(page_of(rows, waiting)).text
    axis = page.partition("<svg")[2].partition("</svg>")[0]
    for told in ("Settlement: paused, by command line", "Settlement: in use, by command line"):
        assert told in axis
        assert told in page.partition('<ol class="timeline">')[2]
    assert "sms maintenance" not in page, "it isn't one of its systems"
    assert "Settlement: paused" not in operator.get(page_of(rows, ended)).text, "it had ended before"


def test_a_call_stands_before_the_end_of_its_placement_however_late_it_was_written(
    rows: Rows, operator: Browser
) -> None:
    order_id = rows.order()
    with writing() as session:
        step = session.scalars(select(Step).where(Step.order_id == order_id)).one()
        about = {"system": "inventory", "number": 1, "verb": "act", "started_at": db_now(0.5), "duration_ms": 3}
        told = {"worker": "host:1:main", "outcome": "done", "code": "", "message": "", "exchanges": "[]"}
        session.add(Attempt(order_id=order_id, step_id=step.id, **about, **told))
    page = operator.get(f"/admin/orders/{rows.number(order_id)}").text.partition('<ol class="timeline">')[2]
    assert page.index("The order was confirmed") < page.index("Reserve the stock") < page.index("The customer ordered")


def test_nothing_is_asked_about_what_was_never_sent(rows: Rows, operator: Browser) -> None:
    order_id = rows.order(OrderState.FAILED)
    with writing() as session:
        session.execute(update(Step).values(state=StepState.PLANNED.value))
    page = operator.get(f"/admin/orders/{rows.number(order_id)}").text
    assert "Nothing; never sent" in page
    assert "Check now" not in page
    assert "Check all now" not in page
