"""What the timer and the relay ask many times a minute is found by an index, however many rows there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from orderapp.domain.identity import new_id
from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import Order, Placement, Step, Submission, Task
from orderapp.services.backoffice.case_files import find_order_file
from orderapp.services.backoffice.task_list import list_tasks
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.recovery import recover, tidy
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.shop_views import find_shop_order
from tests.services.plans import Plans
from tests.services.shop import Shop

ROWS = 3000  # enough for reading a whole table to cost more than an index
OPEN = 20  # of which so many are still to be worked on
FIRST_ID = 1_000_000  # of the placements, out of the way of those that the database numbers
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def many_orders(busy_shop: Shop) -> Shop:
    """A shop with thousands of orders that are done, and a few that aren't."""
    ids = [new_id() for _ in range(ROWS)]
    common = {"customer_name": "", "customer_phone": "", "inputs": "{}",
              "currency": "EUR", "subtotal_minor": 0, "total_minor": 0, "updated_at": LONG_AGO}  # fmt: skip
    orders = [
        {"id": order_id, "number": f"N{n}", "state": "confirmed", "placement_number": 1, "created_at": LONG_AGO,
         "customer_email": f"{n}@example.com", **common}
        for n, order_id in enumerate(ids)
    ]  # fmt: skip
    placements = [
        {"id": FIRST_ID + n, "order_id": order_id, "number": 1, "state": "confirmed", "started_at": LONG_AGO}
        for n, order_id in enumerate(ids)
    ]
    steps = [
        {
            "placement_id": FIRST_ID + n,
            "order_id": order_id,
            "system": "stock",
            "position": 1,
            "key": f"K{n}",
            "state": "done",
            "outcome": "done",
        }
        for n, order_id in enumerate(ids)
    ]
    submissions = [
        {"scope": "shop", "key": f"K{n}", "content_hash": "", "order_id": order_id, "placement_id": FIRST_ID + n,
         "lease_until": LONG_AGO + dt.timedelta(days=36500) if n < OPEN else None, "fencing": 1, "created_at": LONG_AGO}
        for n, order_id in enumerate(ids)
    ]  # fmt: skip
    tasks = [
        {"order_id": order_id, "placement_id": FIRST_ID + n, "kind": "settle", "system": "bank", "key": f"K{n}",
         "state": "waiting" if n < OPEN else "done", "due_at": LONG_AGO, "attempt_limit": 3,
         "publish_at": LONG_AGO if n < OPEN else None, "created_at": LONG_AGO}
        for n, order_id in enumerate(ids)
    ]  # fmt: skip
    with writing() as session:
        for model, rows in (
            (Order, orders),
            (Placement, placements),
            (Step, steps),
            (Submission, submissions),
            (Task, tasks),
        ):
            session.execute(insert(model), rows)
    with writing() as session:
        session.execute(text("ANALYZE"))
    return busy_shop


def plans_of(deed: Callable[[], Any]) -> dict[str, str]:
    """Do it, and return how the database carries out each statement that it took."""
    return _as_carried_out(deed) if db.engine.dialect.name == "postgresql" else _as_explained(deed)


def _as_carried_out(deed: Callable[[], Any]) -> dict[str, str]:
    with Plans(db.engine) as plans:
        db.engine.dispose()  # it listens to connections from the next one on
        return {plan.statement: "\n".join(map(str, plan.scans)) for plan in plans.of(deed, times=1)}


def _as_explained(deed: Callable[[], Any]) -> dict[str, str]:
    seen: dict[str, Any] = {}

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and statement.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            seen[statement] = parameters

    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        deed()
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    explain = "EXPLAIN QUERY PLAN "
    with reading() as session:
        connection = session.connection()
        return {
            statement: "\n".join(str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters))
            for statement, parameters in seen.items()
        }


def whole_tables_read(plans: dict[str, str]) -> list[str]:
    """Return the plans that go through a whole table with thousands of rows."""
    large = ("orders", "placements", "steps", "submissions", "tasks")
    scans = [f"Seq Scan on {table}" for table in large] + [f"SCAN {table}" for table in large]
    return [
        f"{statement}\n{plan}"
        for statement, plan in plans.items()
        for line in plan.splitlines()
        if any(scan in line for scan in scans) and "USING INDEX" not in line and "USING COVERING INDEX" not in line
    ]


def test_the_relays_question_is_answered_by_its_index(many_orders: Shop) -> None:
    plans = plans_of(many_orders.due)
    assert "ix_tasks_publish_at" in "\n".join(plans.values())
    assert whole_tables_read(plans) == []


def test_the_timers_questions_are_answered_by_their_indexes(many_orders: Shop) -> None:
    plans = plans_of(lambda: recover(many_orders.settings))
    together = "\n".join(plans.values())
    assert "ix_submissions_lease_until" in together
    assert "ix_tasks_lease_until" in together
    assert whole_tables_read(plans) == []


def test_what_is_asked_of_one_order_or_of_failed_tasks_is_answered_by_indexes(many_orders: Shop) -> None:
    def everything() -> None:
        find_order_file("N7")
        find_shop_order("N7")
        list_tasks(50, TaskState.FAILED)

    assert whole_tables_read(plans_of(everything)) == []


def test_placing_running_cancelling_and_repairing_read_no_whole_table(many_orders: Shop) -> None:
    shop = many_orders

    def everything() -> None:
        content = shop.content()
        order = shop.submit("key", content).order
        shop.submit("key", content)
        run_task(shop.tasks(order.id, kind="settle")[0].id, shop.settings)
        shop.cancel(order.id)
        for task in shop.tasks(order.id, kind="compensate"):
            run_task(task.id, shop.settings)
        tidy()

    assert whole_tables_read(plans_of(everything)) == []
