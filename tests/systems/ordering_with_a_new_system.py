"""Orders with a system that isn't in the product: `python -m tests.systems.ordering_with_a_new_system PLUGINS DATA`.

PLUGINS is the folder of the plugin `litmus`, DATA one for databases and for `happened.json`. A process of its own, so
that the plugin is imported as in production.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select

from orderapp import create_app
from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import Task
from orderapp.services.db.transactions import reading
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.product_import import import_products
from orderapp.services.orders.request_schema import read_order
from orderapp.services.placing.place import Placing
from orderapp.systems.registry import system_classes
from tests.sandbox.running import RunningSandbox
from tests.servers.tables import create_tables

NAME = "litmus"  # the page's example under another name: a fork may have the page's own system in its folder
PRODUCTS = [
    {"sku": "TEA-GREEN", "name": "Green tea", "price": {"value": 1250, "currency": "EUR"}},
    {"sku": "SCALE-01", "name": "Scale", "price": {"value": 4500, "currency": "EUR"}},
]
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}


def main(data: Path) -> dict[str, Any]:
    """Order as a member, as a member what is out of stock, and as nobody's member."""
    with RunningSandbox(data, kinds=system_classes((NAME,))) as sandbox:
        sandbox.set("stock", "TEA-GREEN", 100)
        sandbox.set("stock", "SCALE-01", 0)
        app = create_app(
            {
                "ORDERAPP_MODE": "development",
                "DATABASE_URL": f"sqlite:///{data / 'orders.db'}",
                "ORDERAPP_PLUGINS": NAME,
                **sandbox.environ(NAME),
            }
        )
        with app.app_context():
            create_tables(db.engine)
            import_products(PRODUCTS)
            happened = {
                "member": placed(app, sandbox, "TEA-GREEN", member_ref="M-1001"),
                "out_of_stock": placed(app, sandbox, "SCALE-01", member_ref="M-1001"),
                "no_member": placed(app, sandbox, "TEA-GREEN"),
                "doctor": app.test_cli_runner().invoke(args=["doctor"]).output,
            }
            db.engine.dispose()
    return happened


def placed(app: Flask, sandbox: RunningSandbox, sku: str, **member: str) -> dict[str, Any]:
    """Place an order, do its tasks, and return what became of it and what the systems hold of it."""
    settings = app.extensions["orderapp.settings"]
    request = read_order(
        {"customer": {**CUSTOMER, **member}, "lines": [{"sku": sku, "quantity": 2}]}, settings.systems.inputs
    )
    answer = Placing(settings).submit(request, key=f"{sku}{len(member)}")
    with reading() as session:
        waiting = session.scalars(select(Task.id).where(Task.state == TaskState.WAITING.value)).all()
    for task_id in waiting:
        run_task(task_id, settings)
    with reading() as session:
        tasks = session.execute(
            select(Task.system, Task.kind, Task.state).where(Task.order_id == answer.order.id)
        ).all()
    number = answer.order.number
    return {
        "result": answer.result,
        "steps": {step.system: step.state for step in answer.order.steps},
        "tasks": sorted(f"{task.kind} {task.system} {task.state}" for task in tasks),
        "held": sandbox.held(number),
        "effects": [effect["effect"] for effect in sandbox.ledger(number, NAME)["effects"]],
    }


if __name__ == "__main__":
    happened_here = main(Path(sys.argv[2]))
    Path(sys.argv[2], "happened.json").write_text(json.dumps(happened_here))
