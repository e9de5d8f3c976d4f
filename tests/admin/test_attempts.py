"""Attempts on the page of a task: what led to each, when the next one comes, and two side by side."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable

import pytest

from orderapp.domain.states import TaskState
from orderapp.models import Role, Task, db_now
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

TAGS = re.compile(r"<[^>]*>")


@pytest.fixture
def viewer(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.VIEWER)


def words(browser: Browser, path: str) -> str:
    """A page as it is read: without tags, in single blanks."""
    return " ".join(html.unescape(TAGS.sub("", browser.get(path).text)).split())


def exchange(request: str, response: str) -> str:
    return json.dumps([{"request": request, "response": response, "duration_ms": 3}])


def test_a_task_says_when_its_next_attempt_comes_and_what_led_to_the_others(rows: Rows, viewer: Browser) -> None:
    task_id = rows.task(TaskState.WAITING, created_at=db_now(-100), due_at=db_now(300))
    rows.attempt(task_id, number=1, started_at=db_now(-90))
    page = words(viewer, f"/admin/tasks/{task_id}")
    assert re.search(r"Next: attempt 13, in (5 min|4 min 5\d s), at ", page)
    assert re.search(r"Because the order was confirmed, after 1\d s", page)


def test_two_attempts_are_compared_with_what_differs_marked(rows: Rows, viewer: Browser) -> None:
    task_id = rows.task()
    first = rows.attempt(task_id, number=1, exchanges=exchange("POST /v1 amount=<b>1000", "500 try again"))
    second = rows.attempt(task_id, number=2, exchanges=exchange("POST /v1 amount=<b>1200", "500 try later"))
    listed = viewer.get(f"/admin/tasks/{task_id}").text
    assert listed.count('form="compare"') == 2
    page = viewer.get(f"/admin/attempts/?attempt={second}&attempt={first}").text
    assert "amount=&lt;b&gt;<mark>1000</mark>" in page
    assert "amount=&lt;b&gt;<mark>1200</mark>" in page
    assert "500 try <mark>again</mark>" in page
    assert page.index("<mark>1000</mark>") < page.index("<mark>1200</mark>"), "the older one is left"
    number = rows.number(rows.read(Task, task_id).order_id)
    assert f'href="/admin/orders/{number}"' in page


@pytest.mark.parametrize(
    "query",
    ["", "attempt=1", "attempt=1&attempt=1", "attempt=1&attempt=2&attempt=3", "attempt=abc&attempt=1",
     "attempt=%00&attempt=1", "attempt=-1&attempt=1", "attempt=1&attempt=2&x=1"],
)  # fmt: skip
def test_what_arent_two_attempts_is_refused(viewer: Browser, query: str) -> None:
    page = viewer.get(f"/admin/attempts/?{query}")
    assert page.status_code == 400
    assert "Choose two attempts" in page.text


def test_attempts_of_two_orders_arent_compared(rows: Rows, viewer: Browser) -> None:
    first, second = rows.attempt(rows.task()), rows.attempt(rows.task())
    assert viewer.get(f"/admin/attempts/?attempt={first}&attempt={second}").status_code == 404
    assert viewer.get(f"/admin/attempts/?attempt={first}&attempt=999999999999999999").status_code == 404
