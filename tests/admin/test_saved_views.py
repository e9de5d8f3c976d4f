"""Saved views: kept under a name, counted, shared by role, and deleted by their owner or an admin."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import pytest

from orderapp.domain.states import OrderState, TaskState
from orderapp.models import Role
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

COUNTED = re.compile(r'<a href="([^"]+)"[^>]*><bdi>([^<]+)</bdi> <span class="count">([^<]+)</span>')
Login = Callable[[Role], Browser]


def save(browser: Browser, query: str, **fields: object) -> int:
    form = {"list": "orders", "name": "Failed ones", "query": query, "shared": "", **fields}
    return browser.post("/admin/views/save", **form).status_code


def menu(browser: Browser, path: str = "/admin/orders/") -> list[tuple[str, ...]]:
    return [tuple(map(html.unescape, one)) for one in COUNTED.findall(browser.get(path).text)]


def test_a_view_is_saved_counted_found_again_and_deleted(rows: Rows, logged_in: Login) -> None:
    viewer = logged_in(Role.VIEWER)
    for _ in range(3):
        rows.order(OrderState.FAILED)
    rows.order()
    assert save(viewer, "state=failed&size=20") == 303
    [(url, name, count)] = menu(viewer)
    assert (url, name, count) == ("/admin/orders/?size=20&state=failed", "Failed ones", "3")
    assert "Failed ones" in viewer.get("/admin/").text
    page = viewer.get(url).text
    assert 'aria-current="page"><bdi>Failed ones' in page
    assert "Delete the view" in page
    [entry] = rows.audit("view.save")
    assert viewer.post(f"/admin/views/{entry.subject.split()[-1]}/delete", list="orders").status_code == 303
    assert menu(viewer) == []
    assert len(rows.audit("view.delete")) == 1


def test_a_view_is_seen_by_the_roles_it_is_shared_with(rows: Rows, logged_in: Login) -> None:
    viewer, operator, admin = map(logged_in, (Role.VIEWER, Role.OPERATOR, Role.ADMIN))
    save(operator, "state=failed", name="mine")
    save(operator, "state=failed", name="acting", shared="operator")
    save(operator, "state=failed", name="all", shared="viewer")
    names = {
        who: [name for _, name, _ in menu(browser)]
        for who, browser in zip("voa", (viewer, operator, admin), strict=True)
    }
    assert names == {"v": ["all"], "o": ["acting", "all", "mine"], "a": ["acting", "all"]}
    assert save(viewer, "state=failed", shared="viewer") == 400, "viewers share nothing"
    view_id = rows.audit("view.save")[-1].subject.split()[-1]
    assert viewer.post(f"/admin/views/{view_id}/delete", list="orders").status_code == 404
    assert admin.post(f"/admin/views/{view_id}/delete", list="orders").status_code == 303
    assert menu(viewer) == []


def test_a_view_keeps_no_search_and_a_time_is_the_same_for_every_reader(rows: Rows, logged_in: Login) -> None:
    operator = logged_in(Role.OPERATOR)
    operator.client.set_cookie("orderapp-zone", "Asia/Tokyo")
    assert "Save this view" in operator.get("/admin/orders/?state=failed").text
    assert "Save this view" not in operator.get("/admin/orders/?state=failed&search=ann@example.com").text
    assert save(operator, "search=ann@example.com") == 400
    assert save(operator, "from=2026-05-01T09:00&search=ann@example.com") == 303
    [(url, _, _)] = menu(operator)
    assert url == "/admin/orders/?from=2026-05-01T00%3A00Z"
    assert 'value="2026-05-01T09:00"' in operator.get(url).text


@pytest.mark.parametrize(
    "wrong",
    [{"list": "staff"}, {"list": "x"}, {"query": "state=nonesuch"}, {"query": "flt0_0=x"}, {"query": ""},
     {"shared": "everybody"}, {"query": "state=failed&state=placing"}, {"query": "from=yesterday"},
     {"query": "to=9999-12-31T23:59"}, {"query": "from=0900-01-01"}],
)  # fmt: skip
def test_what_is_not_known_is_not_saved(rows: Rows, logged_in: Login, wrong: dict[str, str]) -> None:
    assert save(logged_in(Role.OPERATOR), **{"query": "state=failed", **wrong}) == 400
    assert rows.audit("view.save") == []


def test_names_are_unique_and_views_are_bounded(rows: Rows, logged_in: Login) -> None:
    viewer = logged_in(Role.VIEWER)
    rows.task(TaskState.FAILED)
    for name in ("<b>", "<b>", " ", "x" * 61, "a\u202eb", *(f"view {n}" for n in range(25))):
        assert save(viewer, "state=failed", list="tasks", name=name) == 303
    assert "You have 20 views already" in viewer.get("/admin/").text
    found = menu(viewer, "/admin/tasks/")
    assert len(found) == 20
    assert found[0] == ("/admin/tasks/?state=failed", "<b>", "1")


def test_what_others_share_hides_no_view_of_ones_own(logged_in: Login) -> None:
    viewer, operator, admin = map(logged_in, (Role.VIEWER, Role.OPERATOR, Role.ADMIN))
    for browser in (operator, admin):
        for number in range(20):
            assert save(browser, "state=failed", name=f"a {number}", shared="viewer") == 303
    save(viewer, "state=failed", name="z")
    names = [name for _, name, _ in menu(viewer)]
    assert (names[:2], len(names)) == (["z", "a 0"], 31)


def test_the_audit_tells_viewers_of_no_view_that_they_dont_see(rows: Rows, logged_in: Login) -> None:
    operator = logged_in(Role.OPERATOR)
    save(operator, "state=failed", name="Ann's debts")
    save(operator, "state=failed", name="acting", shared="operator")
    save(operator, "state=failed", name="all", shared="viewer")
    for entry in rows.audit("view.save"):
        operator.post(f"/admin/views/{entry.subject.split()[-1]}/delete", list="orders")
    kept = [json.loads(entry.details) for act in ("view.save", "view.delete") for entry in rows.audit(act)]
    assert [one.get("name") for one in kept] == 2 * [None, None, "all"]
    assert [one.get("query") for one in kept] == 2 * [None, None, "state=failed"]
