"""The lists: what the box finds, the order of rows, how many are on a page, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Product, Role, db_now
from orderapp.services.db.transactions import writing
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

LINKS = re.compile(r'<th scope="row">\s*<a[^>]*href="[^"]*/([^"/]+)"')


@pytest.fixture
def viewer(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.VIEWER)


def shown(browser: Browser, path: str) -> list[str]:
    """What the rows of a list lead to, from top to bottom."""
    answer = browser.get(path)
    assert answer.status_code == 200, path
    return LINKS.findall(answer.text)


def neighbour(browser: Browser, path: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', browser.get(path).text)
    return found[1].replace("&amp;", "&") if found else None


def test_one_box_leads_to_the_order_or_task_that_is_named(
    rows: Rows, viewer: Browser, logged_in: Callable[[Role], Browser]
) -> None:
    number = rows.number(order_id := rows.order())
    task_id = rows.task(TaskState.DONE, order_id=order_id)
    for page in ("/admin/", "/admin/tasks/", f"/admin/orders/{number}"):
        assert 'action="/admin/orders/find"' in viewer.get(page).text, page
    for words in (number, number.lower().replace("-", "+"), f"{number}:1:settlement"):
        assert viewer.get(f"/admin/orders/find?search={words}").location == f"/admin/orders/{number}"
    assert viewer.get(f"/admin/orders/find?search=task+{task_id}").location == f"/admin/tasks/{task_id}"
    assert viewer.get("/admin/orders/find?search=ann%40exam").location == "/admin/orders/?search=ann@exam"
    assert shown(viewer, "/admin/orders/?search=ann@example.com") == [number]
    assert shown(viewer, "/admin/orders/?search=ann@exam") == [], "or what is masked could be spelt out"
    assert shown(logged_in(Role.OPERATOR), "/admin/orders/?search=ann@exam") == [number]
    for query in ("search=a%00b", "find=x", "search=a%0Ab"):
        assert viewer.get(f"/admin/orders/find?{query}").status_code == 400


def test_a_search_says_what_it_looked_through(rows: Rows, viewer: Browser) -> None:
    number = rows.number(rows.order())
    assert "newest 20,000 orders" in viewer.get("/admin/orders/?search=Ann").text
    assert "parts of other texts need at least 3 characters" in viewer.get("/admin/orders/?search=An").text
    assert "looked for" not in viewer.get(f"/admin/orders/?search={number}").text


@pytest.mark.parametrize(("path", "column"), [("/admin/orders/", "created_at"), ("/admin/tasks/", "id")])
def test_the_oldest_come_first_where_wanted_page_by_page_and_back(
    rows: Rows, viewer: Browser, path: str, column: str
) -> None:
    for age in range(45, 0, -1):
        rows.task(TaskState.DONE, order_id=rows.order(created_at=db_now(-age)))
    newest = shown(viewer, f"{path}?size=100")
    assert len(newest) == 45
    first = f"{path}?sort={column}&size=20"
    second = neighbour(viewer, first, "next")
    assert second is not None
    third = neighbour(viewer, second, "next")
    assert third is not None
    pages = [shown(viewer, address) for address in (first, second, third)]
    assert [row for page in pages for row in page] == newest[::-1]
    assert neighbour(viewer, third, "next") is None
    back = neighbour(viewer, third, "prev")
    assert back is not None
    assert shown(viewer, back) == pages[1]


def test_orders_of_an_amount_and_the_dearest_first_page_by_page(rows: Rows, viewer: Browser) -> None:
    with writing() as session:
        session.add(Product(sku="tea", name="Tea", price_minor=1, currency="EUR", updated_at=db_now()))
    totals = {rows.number(rows.order(total_minor=(n % 9) * 100, subtotal_minor=900)): (n % 9) * 100 for n in range(45)}
    assert len(shown(viewer, "/admin/orders/?least=8.00&size=100")) == 5
    assert len(shown(viewer, "/admin/orders/?least=7.01&size=100")) == 5
    assert len(shown(viewer, "/admin/orders/?most=1&least=1&size=100")) == 5
    page: str | None = "/admin/orders/?sort=total_minor&desc=1&size=20"
    found: list[str] = []
    while page:
        found += shown(viewer, page)
        page = neighbour(viewer, page, "next")
    assert sorted(found) == sorted(totals)
    assert [totals[one] for one in found] == sorted(totals.values(), reverse=True)
    for wrong in ("least=x", "least=-1", "most=1e9", "least=1%00", "least=1.0000"):
        assert viewer.get(f"/admin/orders/?{wrong}").status_code == 400


def test_a_page_has_as_many_rows_as_wanted(rows: Rows, viewer: Browser) -> None:
    for _ in range(21):
        rows.order()
    assert len(shown(viewer, "/admin/orders/")) == 21
    assert len(shown(viewer, "/admin/orders/?size=20")) == 20


def test_rows_of_a_time(rows: Rows, viewer: Browser) -> None:
    old = rows.number(rows.order(created_at=db_now(-3 * 86_400)))
    new = rows.number(rows.order())
    day = viewer.get("/admin/orders/").text
    times = sorted(re.findall(r'<time datetime="([^"]+)"', day))
    between = times[0][:10] + "T23:59"
    assert shown(viewer, f"/admin/orders/?from={between}") == [new]
    assert shown(viewer, f"/admin/orders/?to={between}") == [old]
    assert shown(viewer, "/admin/audit/?from=2026-01-01&to=2026-01-02") == []


def test_beside_a_time_stands_how_long_ago_it_is(rows: Rows, viewer: Browser) -> None:
    rows.order(created_at=db_now(-750))
    assert "12 min ago" in viewer.get("/admin/orders/").text
    rows.task(TaskState.WAITING, due_at=db_now(3590))
    assert "in 59 min" in viewer.get("/admin/tasks/").text


def test_tasks_that_were_tried_often_and_still_need_work(rows: Rows, viewer: Browser) -> None:
    often = rows.task(TaskState.WAITING, attempts=5)
    rows.task(TaskState.WAITING, TaskKind.NOTIFY, attempts=1)
    rows.task(TaskState.DONE, attempts=12)
    assert shown(viewer, "/admin/tasks/?tried=5") == [str(often)]
    assert shown(viewer, "/admin/tasks/?tried=10") == []


@pytest.mark.parametrize("path", ["orders", "tasks", "audit", "mismatches"])
@pytest.mark.parametrize(
    "query",
    [
        "page=-1", "page=1", "id=abc", "size=7", "size=-1", "size=50&size=100", "sort=newest", "sort=total",
        "sort=state", "desc=2",
        "before=abc", "after=-1", "before=1%00", "flt0_0=x", "search%00=x", "state=nonesuch",
    ],
)  # fmt: skip
def test_what_is_not_known_in_an_address_is_refused(viewer: Browser, path: str, query: str) -> None:
    assert viewer.get(f"/admin/{path}/?{query}").status_code == 400


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "0001-01-01T00:00+14:00", "10000-01-01", "%00"])
@pytest.mark.parametrize("path", ["orders", "audit"])
def test_a_time_that_is_none_is_refused(viewer: Browser, path: str, value: str) -> None:
    assert viewer.get(f"/admin/{path}/?from={value}").status_code == 400


def test_a_row_that_is_not_there_has_no_neighbours(viewer: Browser) -> None:
    assert viewer.get("/admin/tasks/?before=999999").status_code == 404
    assert viewer.get("/admin/orders/?after=00000000-0000-0000-0000-000000000000").status_code == 404
