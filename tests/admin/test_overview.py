"""The first page: whether everything is right, in a sentence, a chart, lanes and cards, each number with its rows."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable

import pytest

from orderapp.admin.charts import drawing_of
from orderapp.admin.trends import trend_of
from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import HoldupSample, OrderSample, Role, SwitchMode, Task, db_now
from orderapp.services.backoffice.samples import Chart, Period, Point, take_sample
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import writing
from orderapp.services.resilience.switches import switch_system
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

TAGS = re.compile(r"<[^>]*>")
LONG_AGO = {"created_at": db_now(-900), "updated_at": db_now(-900)}
BEGINS_AT = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


@pytest.fixture
def operator(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.OPERATOR)


def words(page: str) -> str:
    return " ".join(html.unescape(TAGS.sub("", page)).split())


def link_before(page: str, text: str) -> str:
    """The address of the last link before a text."""
    found = re.findall(r'href="([^"]+)"', page[: page.index(text)])
    return html.unescape(found[-1])


def rows_of(page: str) -> int:
    return page.partition("<tbody>")[2].partition("</tbody>")[0].count("<tr")


def test_it_says_that_everything_is_right(rows: Rows, operator: Browser) -> None:
    assert "There are no orders of the last 30 days, and all older ones are right." in words(
        operator.get("/admin/").text
    )
    for _ in range(3):
        rows.order()
    page = operator.get("/admin/").text
    assert "All 3 orders of the last 30 days are right." in words(page)
    assert rows_of(operator.get(link_before(page, "orders of the last 30 days")).text) == 3


def test_it_says_how_many_orders_are_not_right_and_each_number_leads_to_its_rows(rows: Rows, operator: Browser) -> None:
    for _ in range(2):
        rows.task(TaskState.FAILED, order_id=rows.order(**LONG_AGO))
    rows.task(TaskState.WAITING, order_id=rows.order(**LONG_AGO), created_at=db_now(-900))
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, rows.order(**LONG_AGO))
    rows.task(TaskState.FAILED, order_id=rows.order(created_at=db_now(-50 * 86_400), updated_at=db_now(-60)))
    rows.order()
    switch_system("email", SwitchMode.PAUSED, COMMAND_LINE, "they move house", operator_settings(operator))
    page = operator.get("/admin/").text
    told = "4 of 5 orders of the last 30 days aren’t right yet, nor is 1 older: €50.00 at stake, the oldest for 15 min"
    assert told in words(page)
    for text, number in ((" of <a", 4), (" orders of the last 30 days", 5), (" older", 1)):
        start = page.index("data-told")
        assert rows_of(operator.get(link_before(page[start:], text)).text) == number, text
    for lane, number in (("staff", 3), ("waits", 1), ("heals", 1)):
        heading = page.index(f'id="lane-{lane}"')
        address = html.unescape(re.findall(r'href="([^"]+)"', page[heading:])[0])
        assert address == f"/admin/orders/?needs={lane}"
        assert rows_of(operator.get(address).text) == number
    assert "E-mail is paused: they move house" in words(page)
    assert rows_of(operator.get("/admin/orders/?needs=waits&system=email").text) == 1
    assert rows_of(operator.get("/admin/orders/?needs=any").text) == 5


def operator_settings(browser: Browser) -> object:
    return browser.client.application.extensions["orderapp.settings"]


def test_tabs_of_orders_count_what_the_other_filters_let_through(rows: Rows, operator: Browser) -> None:
    rows.task(TaskState.FAILED, order_id=rows.order(customer_email="bob@example.com"))
    rows.task(TaskState.FAILED)
    rows.task(TaskState.FAILED, TaskKind.COMPENSATE)
    for query, number in (("", 3), ("?state=confirmed", 2), ("?search=bob@example.com", 1), ("?system=inventory", 1)):
        assert f'Needs you <span class="count">{number}</span>' in operator.get(f"/admin/orders/{query}").text, query


@pytest.mark.parametrize("query", ["needs=all", "placed=1y", "system=Stock%20room", "needs=you%00", "needz=staff"])
def test_an_unknown_filter_of_orders_is_refused(operator: Browser, query: str) -> None:
    assert operator.get(f"/admin/orders/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["chart=5y", "chart=", "chart=%00", "charts=7d"])
def test_an_unknown_chart_is_refused(operator: Browser, query: str) -> None:
    assert operator.get(f"/admin/?{query}").status_code == 400


def test_failures_are_cards_with_what_can_be_done(rows: Rows, operator: Browser) -> None:
    for _ in range(2):
        rows.task(TaskState.FAILED, last_code="http_502")
    rows.task(TaskState.FAILED, last_code="unauthorized")
    page = operator.get("/admin/").text
    assert "Take payment (Settlement)" in words(page)
    assert rows_of(operator.get(link_before(page, "2 tasks</a> of 2 orders")).text) == 2
    assert "Retry all 2 …" in page
    [(address, form)] = re.findall(
        r'action="(/admin/tasks/operation[^"]*http_502[^"]*)">(.*?)Retry all 2 …', page, re.DOTALL
    )
    fields = dict(re.findall(r'name="(act|back|which)" value="([^"]*)"', form))
    retried = operator.post(html.unescape(address), **fields)
    assert "Requeue 2 tasks" in operator.get(retried.location).text
    # The card's own form.
    form = page[page.index("http_502") : page.index("Try one")]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    answer = operator.post("/admin/tasks/requeue", **{**fields, "csrf_token": operator.token()})
    assert answer.location == f"/admin/tasks/{fields['task']}"
    assert rows.read(Task, int(fields["task"])).state == TaskState.WAITING.value
    assert rows.audit("task.requeue")[-1].reason == "Trying one of 2 that failed alike"


def test_what_may_happen_twice_is_decided_singly(rows: Rows, operator: Browser) -> None:
    order_id = rows.order(customer_phone="+491701234567")
    task_id = rows.task(TaskState.FAILED, TaskKind.NOTIFY, order_id, system="sms", last_code="timeout")
    rows.attempt(task_id, number=12, outcome="unknown")
    page = operator.get("/admin/").text
    assert "Send the text message" in words(page)
    assert "Look for the number in Twilio's console" in words(page)
    assert "+491701234567" in page
    assert f'href="/admin/tasks/{task_id}#mark"' in page
    assert "Try one" not in page
    assert "Retry all" not in page


def test_a_viewer_sees_the_cards_and_no_buttons(rows: Rows, logged_in: Callable[[Role], Browser]) -> None:
    rows.task(TaskState.FAILED)
    page = logged_in(Role.VIEWER).get("/admin/").text
    assert "Take payment" in page
    assert "Try one" not in page


def test_a_card_says_whether_its_system_is_well_now(rows: Rows, operator: Browser) -> None:
    task_id = rows.task(TaskState.FAILED)
    assert "Settlement had too few calls of late to say whether it is well" in words(operator.get("/admin/").text)
    for number in range(20):
        rows.attempt(task_id, number=number, outcome="done")
    assert "Settlement is well: 100% of its newest calls were done." in words(operator.get("/admin/").text)
    for number in range(20):
        rows.attempt(task_id, number=number, outcome="unknown")
    assert "Settlement did only 50% of its newest calls" in words(operator.get("/admin/").text)
    switch_system("settlement", SwitchMode.PAUSED, COMMAND_LINE, "they move house", operator_settings(operator))
    assert "A repeat waits now: Settlement is paused: they move house." in words(operator.get("/admin/").text)


def test_the_chart_has_a_table_and_names_outages(rows: Rows, operator: Browser) -> None:
    assert "Nothing is measured yet" in operator.get("/admin/").text
    rows.task(TaskState.FAILED)
    take_sample(operator_settings(operator).systems)  # type: ignore[attr-defined]
    with writing() as session:
        taken = session.query(OrderSample).one().minute
        session.add(HoldupSample(minute=taken - 60, system="coupon", cause="failing"))
    for period in Period:
        page = operator.get(f"/admin/?chart={period.value}").text
        assert "<polygon" in page
        assert "Coupon failed," in words(page)
        table = page[page.index("The chart as a table") :]
        assert '<td class="num">1</td>' in table


def points(*orders: int) -> list[Point]:
    return [Point(BEGINS_AT + dt.timedelta(minutes=5 * place), number, 0, 0) for place, number in enumerate(orders)]


@pytest.mark.parametrize(
    ("past", "now", "direction", "place"),
    [
        ((5, 9, 40, 30, 20), 12, "falling", 2),
        ((40, 12, 13, 20, 30), 31, "rising", 1),
        # One more or less on the way is no turn.
        ((5, 40, 30, 31, 20), 12, "falling", 1),
        ((0, 0, 0, 50), 50, "rising", 2),
        ((100, 10, 10, 10), 10, "falling", 0),
    ],
)
def test_a_trend_began_at_the_last_turn(past: tuple[int, ...], now: int, direction: str, place: int) -> None:
    trend = trend_of(points(*past), now)
    assert trend is not None
    assert (trend.direction, trend.since) == (direction, points(*past)[place].at)


@pytest.mark.parametrize("past", [(), (5,), (5, 6, 5, 4, 5), (40, 41, 39, 40)])
def test_small_changes_are_no_trend(past: tuple[int, ...]) -> None:
    assert trend_of(points(*past), past[-1] if past else 3) is None


def test_a_chart_leaves_gaps_where_nothing_was_measured() -> None:
    measured = [one for place, one in enumerate(points(1, 2, 0, 7, 3)) if place != 2]
    chart = Chart(Period.DAY, BEGINS_AT, BEGINS_AT + dt.timedelta(minutes=25), 300, tuple(measured), ())
    drawing = drawing_of(chart)
    assert drawing.top == 10
    assert drawing.areas == (
        ("bad", "0.0,180.0 200.0,180.0 200.0,160.0 400.0,160.0 400.0,200.0 200.0,200.0 200.0,200.0 0.0,200.0"),
        ("bad", "600.0,60.0 800.0,60.0 800.0,140.0 1000.0,140.0 1000.0,200.0 800.0,200.0 800.0,200.0 600.0,200.0"),
    )
    assert [(at, point.orders) for at, point in drawing.rows] == [(BEGINS_AT, 7)]


def test_orders_under_way_are_counted_below_the_sentence(rows: Rows, operator: Browser) -> None:
    rows.order(OrderState.COMPENSATING)
    page = words(operator.get("/admin/").text)
    assert "The one order of the last 30 days is right." in page
    assert "Orders being given back1" in page


def test_a_failed_job_has_a_card_without_orders(operator: Browser) -> None:
    moments = {"created_at": db_now(-60), "due_at": None}
    counts = {"attempts": 3, "attempt_limit": 3, "claims": 3, "fencing": 3}
    with writing() as session:
        failed = Task(kind="job", system="bygone-report", key="1", state="failed", arguments="{}", **moments, **counts)
        session.add(failed)
    page = operator.get("/admin/").text
    assert "All" not in words(page).partition("As of")[0]
    card = words(page[page.index('class="card card-bad failure"') :].partition("</article>")[0])
    assert "Failed1 task First" in card
    assert "the running version doesn't know bygone-report" in card
