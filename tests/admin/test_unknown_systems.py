"""The back office, and the customers' pages, tell of systems that the running version doesn't know by their names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update

from orderapp.domain.states import OrderState, TaskKind, TaskState
from orderapp.models import Mismatch, Placement, Role, Step, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.orders.views import find_order
from orderapp.web.order_reference import reference_of
from tests.admin.conftest import Browser
from tests.admin.rows import Rows

NAME = "bygone"


@pytest.fixture
def order_id(rows: Rows) -> object:
    """A confirmed order whose step, tasks, attempts and mismatch are of a system that is gone."""
    order_id = rows.order(OrderState.CONFIRMED)
    task_id = rows.task(TaskState.WAITING, TaskKind.SETTLE, order_id)
    rows.task(TaskState.FAILED, TaskKind.COMPENSATE, order_id)
    rows.attempt(task_id)
    with writing() as session:
        step = session.query(Step).filter_by(order_id=order_id).one()
        mismatch = {"order_id": order_id, "placement_id": step.placement_id, "system": NAME, "key": "K", "seen": 1}
        words = {"kind": "orphan effect", "ours": "nothing", "theirs": "something", "correction": "", "state": "open"}
        session.add(Mismatch(**mismatch, **words, found_at=db_now(), last_seen_at=db_now()))
        for model in (Step, Task):
            session.execute(update(model).values(system=NAME))
    return order_id


def test_every_page_shows_it(order_id: object, logged_in: Callable[[Role], Browser]) -> None:
    staff, number = logged_in(Role.ADMIN), find_order(order_id).number  # type: ignore[arg-type]
    with writing() as session:
        tasks = [task.id for task in session.query(Task)]
    for path in (
        "",
        f"orders/{number}",
        "orders/",
        "tasks/",
        f"tasks/?system={NAME}&state=failed",
        *(f"tasks/{task}" for task in tasks),
        "mismatches/",
        f"mismatches/?system={NAME}",
        "audit/",
    ):
        page = staff.get(f"/admin/{path}")
        assert page.status_code in (200, 308), (path, page.text)
        assert NAME in page.text or path in ("orders/", "audit/") or page.status_code == 308, path


def test_the_overview_says_what_waits(order_id: object, logged_in: Callable[[Role], Browser]) -> None:
    page = logged_in(Role.VIEWER).get("/admin/").text
    assert "<strong>bygone</strong> isn't known to the running version" in page
    assert "/admin/tasks/?system=bygone&amp;state=failed" in page
    assert "wait for a version that knows it" in page


def test_cancelling_says_why_not(order_id: object, logged_in: Callable[[Role], Browser]) -> None:
    staff, number = logged_in(Role.OPERATOR), find_order(order_id).number  # type: ignore[arg-type]
    answer = staff.post(f"/admin/orders/{number}/cancel", reason="they called")
    assert answer.status_code == 303
    assert "bygone, which the running version doesn&#39;t know. Nothing was changed." in staff.get(answer.location).text
    assert find_order(order_id).state is OrderState.CONFIRMED  # type: ignore[arg-type]


@pytest.mark.parametrize("state", list(OrderState))
def test_the_customers_page_names_it(app: Flask, rows: Rows, state: OrderState) -> None:
    number = find_order(rows.order(state)).number
    failure = {"failed_system": NAME, "failed_outcome": "refused", "failed_code": "no_points"}
    with writing() as session:
        session.execute(update(Step).values(system=NAME))
        if state is not OrderState.CONFIRMED:
            session.execute(update(Placement).values(**failure))
    page = app.test_client().get(f"/orders/{reference_of(number)}")
    assert page.status_code == 200
    assert NAME in page.text
