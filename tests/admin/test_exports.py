"""Exports: all rows of a list as the filters let them through, harmless to spreadsheets, and recorded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from orderapp.admin.exporting import BATCH_ROWS, MOST_ROWS, lines, plain
from orderapp.domain.states import TaskState
from orderapp.models import Role, Task
from tests.admin.conftest import Browser
from tests.admin.rows import Rows


@pytest.fixture
def operator(logged_in: Callable[[Role], Browser]) -> Browser:
    return logged_in(Role.OPERATOR)


def exported(browser: Browser, path: str) -> list[dict[str, str]]:
    """The rows of a list as its CSV has them."""
    answer = browser.post(path, format="csv")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_export_has_the_rows_of_its_list_in_its_order(rows: Rows, operator: Browser) -> None:
    tasks = [rows.task(TaskState.FAILED) for _ in range(3)]
    rows.task(TaskState.DONE)
    number = rows.number(rows.read(Task, tasks[0]).order_id)
    found = exported(operator, "/admin/tasks/export?state=failed")
    assert [row["id"] for row in found] == [str(task_id) for task_id in reversed(tasks)]
    assert found[-1]["order"] == number
    oldest = exported(operator, "/admin/tasks/export?state=failed&sort=id")
    assert [row["id"] for row in oldest] == [str(task_id) for task_id in tasks]


def test_no_cell_is_a_formula(rows: Rows, operator: Browser) -> None:
    rows.order(customer_name='=HYPERLINK("http://evil.example")', customer_phone="+491701234567", total_minor=995)
    [row] = exported(operator, "/admin/orders/export")
    assert row["customer_name"] == '\'=HYPERLINK("http://evil.example")'
    assert row["customer_phone"] == "'+491701234567"
    assert row["total"] == "9.95"
    answer = operator.post("/admin/orders/export", format="jsonl")
    [line] = answer.text.splitlines()
    assert json.loads(line)["customer_name"].startswith("=HYPERLINK")
    assert json.loads(line)["total"] == "9.95"


def test_an_export_is_recorded_with_what_it_was_narrowed_by(rows: Rows, operator: Browser) -> None:
    rows.order()
    exported(operator, "/admin/orders/export?state=confirmed&search=ann@example.com")
    [entry] = rows.audit("list.export")
    assert (entry.actor, entry.subject) == ("operator@example.com", "orders")
    narrowed = {"state": "confirmed", "search": "15 characters"}
    assert json.loads(entry.details) == {"format": "csv", "narrowed_by": narrowed}
    assert "Exported a list" in operator.get("/admin/audit/").text
    assert "ann@example.com" not in operator.get(f"/admin/audit/{entry.id}").text, "viewers read it too, and for ever"


@pytest.mark.parametrize("path", ["orders", "tasks", "mismatches", "audit"])
def test_each_list_offers_its_export_to_who_may(rows: Rows, operator: Browser, path: str) -> None:
    rows.task(TaskState.FAILED)
    assert operator.post(f"/admin/{path}/export", format="csv").status_code == 200
    assert operator.post(f"/admin/{path}/export", format="xls").status_code == 400
    assert operator.post(f"/admin/{path}/export?state=nonesuch", format="csv").status_code == 400
    assert operator.post(f"/admin/{path}/export?colour=red", format="csv").status_code == 400


def test_a_viewer_exports_nothing_and_the_try_is_recorded(rows: Rows, logged_in: Callable[[Role], Browser]) -> None:
    rows.order()
    viewer = logged_in(Role.VIEWER)
    assert "JSON lines" not in viewer.get("/admin/orders/").text
    assert viewer.post("/admin/orders/export", format="csv").status_code == 403
    [entry] = rows.audit("list.export")
    assert entry.refused


def test_a_long_export_comes_in_batches_and_says_where_it_ends() -> None:
    columns = {"denominator": plain("denominator")}
    batch = ([1] * BATCH_ROWS, dict[object, str]())
    pieces = list(lines("jsonl", columns, iter([batch] * (MOST_ROWS // BATCH_ROWS + 5))))
    assert len(pieces) == MOST_ROWS // BATCH_ROWS + 1
    assert "an export ends after 1,000,000 rows" in pieces[-1]
