"""What the pages show, and that nothing sent to them breaks them."""

import json
import re
from urllib.parse import quote

import pytest

from orderapp.admin.labels import duration
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Role, Task, db_now
from orderapp.services.backoffice.case_files import ATTEMPTS_PER_PAGE

EVIL = '<img src=x onerror=alert(1)>"><svg/onload=alert(2)>{{7331*7331}}'
ESCAPED = "&lt;img src=x onerror=alert(1)&gt;"
LISTS = ["/admin/orders/", "/admin/tasks/", "/admin/audit/", "/admin/staff/", "/admin/tokens/"]


@pytest.fixture
def browser(logged_in):
    return logged_in(Role.ADMIN)


def test_what_strangers_wrote_is_shown_as_text(rows, browser):
    order_id = rows.order(customer_name=EVIL, customer_email="e@example.com")
    task_id = rows.task(order_id=order_id, last_message=EVIL, last_code="<b>")
    exchange = {"request": EVIL, "response": f"<html>{EVIL}</html>", "duration_ms": 1}
    rows.attempt(task_id, message=EVIL, code="<i>", worker="<u>", exchanges=json.dumps([exchange]))
    browser.post("/admin/tasks/requeue", task=task_id, reason=EVIL)
    number = rows.number(order_id)
    for path in ("/admin/", *LISTS, f"/admin/orders/{number}", f"/admin/tasks/{task_id}", "/admin/audit/5"):
        page = browser.get(path)
        assert "<img" not in page.text
        assert "<svg/" not in page.text
        assert "<b>" not in page.text
        assert str(7331 * 7331) not in page.text  # as a template it would have been worked out
    assert ESCAPED in browser.get(f"/admin/orders/{number}").text
    assert ESCAPED in browser.get(f"/admin/tasks/{task_id}").text
    assert "&lt;html&gt;" in browser.get(f"/admin/tasks/{task_id}").text


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=100000000000000000000",
        "before=x",
        "before=-1",
        "before=100000000000000000000",
        "before=1&after=1",
        "search=a%00b",
        "state=%00",
        "state=nonesuch",
        "flt0_0=x",
        "sort=99",
        "page_size=1000000000",
        "colour=red",
        "system=%27%20OR%201=1--",
        "state=failed&state%00=1",
    ],
)
def test_what_isnt_understood_is_refused_and_never_breaks(browser, path, query):
    assert browser.get(f"{path}?{query}").status_code in (400, 404)


@pytest.mark.parametrize("search", ["' OR 1=1--", "%", "_", "\\", "a@b", "\U0001f600", "x" * 3000])
def test_searching_for_anything_finds_nothing_or_what_is_there(rows, browser, search):
    rows.order()
    page = browser.request("/admin/orders/", query_string={"search": search})
    assert page.status_code == 200
    assert "No such orders" in page.text


@pytest.mark.parametrize(
    "path",
    [
        "/admin/orders/none",
        "/admin/orders/00000-00000",
        "/admin/orders/%00",
        "/admin/orders/%ed%a0%80",
        "/admin/orders/" + "A" * 4000,
        "/admin/tasks/0",
        "/admin/tasks/-1",
        "/admin/tasks/x",
        "/admin/tasks/100000000000000000000",
        "/admin/tasks/9223372036854775807",
        "/admin/tasks/1?before=x",
        "/admin/audit/100000000000000000000",
        "/admin/audit/9223372036854775807",
    ],
)
def test_what_isnt_there_is_not_found(browser, path):
    assert browser.get(path).status_code in (400, 404)


def test_an_order_is_found_by_its_number_and_a_customers_orders_by_their_address(rows, browser):
    first, second = rows.order(customer_email="one@example.com"), rows.order(customer_email="two@example.com")
    by_number = browser.get(f"/admin/orders/?search={rows.number(first).lower()}").text
    assert rows.number(first) in by_number
    assert rows.number(second) not in by_number
    assert rows.number(second) in browser.get("/admin/orders/?search=two@example.com").text


def test_an_order_is_found_however_its_number_and_address_are_typed(rows, browser):
    number = rows.number(rows.order(customer_email="Ann.Upper@example.com"))
    compact = number.replace("-", "")
    heard = compact.replace("0", "O").replace("1", "l").lower()
    for typed in (compact, f" {compact[:5]} {compact[5:]} ", heard, "ann.upper@EXAMPLE.com", "Ann.Upper@example.com "):
        assert number in browser.get(f"/admin/orders/?search={quote(typed)}").text, typed
    assert number in browser.get(f"/admin/orders/{number.lower()}").text


def test_lists_are_turned_over_and_back_and_show_each_row_once(rows, browser):
    numbers = [rows.number(rows.order()) for _ in range(120)]
    seen, path = [], "/admin/orders/"
    for _ in range(3):
        page = browser.get(path).text
        seen.append([number for number in numbers if number in page])
        path = link(page, "next") or path
    assert [len(one) for one in seen] == [50, 50, 20]
    assert sorted(sum(seen, [])) == sorted(numbers)
    back = browser.get(link(page, "prev")).text
    assert all(number in back for number in seen[1])
    assert link(back, "next")
    first = browser.get(link(back, "prev")).text
    assert all(number in first for number in seen[0])
    assert link(first, "prev") is None


def test_filters_stay_when_the_list_is_turned_over(rows, browser):
    for _ in range(51):
        rows.task(TaskState.FAILED)
    rows.task(TaskState.DONE)
    page = browser.get("/admin/tasks/?state=failed&kind=settle").text
    assert "state=failed" in link(page, "next")
    assert browser.get(link(page, "next")).text.count('tasks/1"') == 1


def test_tabs_count_what_their_filters_show(rows, browser):
    for state, kind in ((TaskState.FAILED, TaskKind.SETTLE), (TaskState.FAILED, TaskKind.NOTIFY)):
        rows.task(state, kind)
    assert 'Failed <span class="count">2</span>' in browser.get("/admin/tasks/").text
    assert 'Failed <span class="count">1</span>' in browser.get("/admin/tasks/?kind=notify").text
    assert 'Failed <span class="count">0</span>' in browser.get("/admin/tasks/?system=sms").text


def test_the_first_page_begins_with_what_is_in_staffs_hands(rows, browser):
    rows.task(TaskState.FAILED, last_code="http_502")
    rows.task(TaskState.WAITING, due_at=db_past(), publish_at=None)
    page = browser.get("/admin/").text
    assert page.index("Needs you") < page.index("In your hands") < page.index('id="jobs"')
    assert "http_502" in page
    assert "/admin/tasks/?state=failed&amp;kind=settle&amp;system=settlement" in page
    assert "2 min" in page
    assert browser.get("/admin/tasks/?state=failed&kind=settle&system=settlement").status_code == 200


def test_a_task_shows_all_its_attempts_page_by_page(rows, browser):
    task_id = rows.task()
    for number in range(ATTEMPTS_PER_PAGE + 2):
        rows.attempt(task_id, number=number + 1)
    page = browser.get(f"/admin/tasks/{task_id}").text
    assert page.count("attempt ") >= ATTEMPTS_PER_PAGE
    older = browser.get(link(page, "next")).text
    assert "attempt 1<" in older
    assert "attempt 2<" in older
    assert "attempt 3<" not in older


def test_an_order_says_where_its_older_attempts_are_once_there_are_some(rows, browser):
    task_id = rows.task()
    path, hint = f"/admin/orders/{rows.number(rows.read(Task, task_id).order_id)}", "Older attempts are on the pages"
    for number in range(ATTEMPTS_PER_PAGE):
        rows.attempt(task_id, number=number + 1)
    assert hint not in browser.get(path).text
    rows.attempt(task_id, number=ATTEMPTS_PER_PAGE + 1)
    assert hint in browser.get(path).text


@pytest.mark.parametrize(
    ("order_state", "task", "verdict"),
    [
        (OrderState.CONFIRMED, (TaskState.DONE, TaskKind.SETTLE), "All right"),
        (OrderState.CONFIRMED, (TaskState.WAITING, TaskKind.SETTLE), "the rest is on its way"),
        (OrderState.CONFIRMED, (TaskState.FAILED, TaskKind.SETTLE), "Confirmed, but it needs you"),
        (OrderState.CONFIRMED, (TaskState.CANCELLED, TaskKind.SETTLE), "given up in part"),
        # What it has twice, or what came late of an earlier placement.
        (OrderState.CONFIRMED, (TaskState.FAILED, TaskKind.COMPENSATE), "Confirmed, but it needs you"),
        (OrderState.CONFIRMED, (TaskState.CANCELLED, TaskKind.COMPENSATE), "given up in part"),
        (OrderState.COMPENSATING, (TaskState.RUNNING, TaskKind.COMPENSATE), "Being given back"),
        (OrderState.COMPENSATING, (TaskState.FAILED, TaskKind.COMPENSATE), "Something is still held"),
        (OrderState.COMPENSATING, (TaskState.CANCELLED, TaskKind.COMPENSATE), "nobody works on it"),
        (OrderState.FAILED, (TaskState.DONE, TaskKind.COMPENSATE), "nothing is held anywhere"),
        (OrderState.CANCELLED, (TaskState.DONE, TaskKind.COMPENSATE), "nothing is held any more"),
        (OrderState.PLACING, None, "about to be recovered"),
    ],
)
def test_an_orders_page_says_in_words_how_it_stands(rows, browser, order_state, task, verdict):
    order_id = rows.order(order_state)
    if task:
        rows.task(*task, order_id)
    assert verdict in browser.get(f"/admin/orders/{rows.number(order_id)}").text


def test_work_is_told_in_the_words_of_people_with_its_next_try(rows, browser):
    order_id = rows.order()
    rows.task(TaskState.WAITING, TaskKind.SETTLE, order_id)
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, order_id)
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, order_id, system="sms", key="another")
    page = browser.get(f"/admin/orders/{rows.number(order_id)}").text
    for work in ("take payment", "send the e-mail", "send the text message"):
        assert re.search(rf"Still to do: {work} \(try 13 of 12, in (1 h|59 min \d+ s) at ", page)


def test_staff_are_told_what_the_customer_is_and_isnt_told(rows, browser):
    page = browser.get(f"/admin/orders/{rows.number(rows.order())}").text
    assert "The customer gets no message; tell them." in page
    failed = browser.get(f"/admin/orders/{rows.number(rows.order(OrderState.FAILED))}").text
    assert "The customer can try again on the order&#39;s page." in failed


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (349_200, "4 d 1 h"), (86_400, "1 d")],
)
def test_durations_are_told_in_two_units(seconds, words):
    assert duration(seconds) == words


def link(page, rel):
    """The address of the neighbouring page, or None."""
    before, found, _ = page.partition(f'" rel="{rel}"')
    return before.rpartition('href="')[2].replace("&amp;", "&") if found else None


def db_past():
    """Two minutes ago, by the database's clock."""
    return db_now(-120)


def test_each_button_of_a_systems_switch_says_what_follows(browser):
    for name, mode, told in (
        ("inventory", "paused", "New orders fail until it is resumed. What is to be given back waits as well."),
        ("inventory", "compensate_only", "New orders fail until it is resumed. What is held is still given back."),
        ("membership", "paused", "New orders that need it fail until it is resumed; all others are placed as ever."),
        ("settlement", "paused", "Settlements wait until it is resumed; orders are confirmed all the same."),
        ("email", "compensate_only", "Its messages wait until it is resumed; orders are confirmed all the same."),
    ):
        page = browser.get(f"/admin/systems/{name}").text
        assert f'id="switch-{mode}">{told}' in page
        assert f'aria-describedby="switch-{mode}"' in page
    browser.post("/admin/systems/inventory/switch", mode="paused", reason="moving house")
    assert ">Resume</button>" in browser.get("/admin/systems/inventory").text


def test_the_audit_says_on_what_and_leads_there(rows, browser):
    task_id = rows.task()
    order_id = rows.order()
    browser.post("/admin/tasks/requeue", task=task_id, reason="again")
    browser.post("/admin/systems/coupon/switch", mode="compensate_only", reason="half well")
    browser.post("/admin/staff/1/role", role="operator", reason="promoted")
    browser.post(f"/admin/orders/{rows.number(order_id)}/cancel", reason="they called")
    page = browser.get("/admin/audit/").text
    for told in (
        f'href="/admin/tasks/{task_id}">Task {task_id}</a>',
        'href="/admin/systems/coupon">Coupon</a>: Only compensates',
        "<bdi>viewer@example.com</bdi>: Operator",
        f'Order <a class="mono" href="/admin/orders/{rows.number(order_id)}">',
        "<bdi>admin@example.com</bdi></span>",  # whose login it was
    ):
        assert told in page
    assert "staff 1" not in page
    (entry,) = rows.audit("system.switch")
    act = browser.get(f"/admin/audit/{entry.id}").text
    assert "<dd>In use</dd>" in act
    assert "<dd>Only compensates</dd>" in act
    (entry,) = rows.audit("staff.role")
    assert "viewer@example.com" in browser.get(f"/admin/audit/{entry.id}").text


def test_the_audit_is_filtered_by_act_and_by_actor(rows, browser):
    browser.post("/admin/tasks/requeue", task=rows.task(), reason="again and again")
    assert "again and again" in browser.get("/admin/audit/?act=task.requeue&actor=admin@example.com").text
    assert "Logged in" not in browser.get("/admin/audit/?act=task.requeue").text.partition("<tbody>")[2]
    assert "again and again" not in browser.get("/admin/audit/?actor=command+line").text
    assert "Created an account" in browser.get("/admin/audit/?actor=command+line").text.partition("<tbody>")[2]
    for query in ("act=task.nonesuch", "actor=nobody@example.com"):
        assert browser.get(f"/admin/audit/?{query}").status_code == 400
