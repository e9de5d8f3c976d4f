"""Thousands of confirmed orders whose settlement waits: half overdue, half until their backoff ends within the hour."""

from __future__ import annotations

import datetime as dt

from flask import Flask
from sqlalchemy import insert

from orderapp.domain.identity import new_id
from orderapp.extensions import db
from orderapp.models import Attempt, Order, Placement, Submission, Task
from orderapp.services.db.transactions import writing

BACKOFF_SECONDS = 3600
FIRST_ID = 1_000_000
CUSTOMER = {
    "customer_name": "Ada Lovelace",
    "customer_phone": "",
    "inputs": "{}",
    "currency": "EUR",
    "subtotal_minor": 1000,
    "total_minor": 1000,
}


def write_backlog(app: Flask, tasks: int) -> None:
    """Write the rows as an hour without the settlement system leaves them."""
    now = dt.datetime.now(dt.UTC)
    ids = [new_id() for _ in range(tasks)]
    orders, placements, submissions, waiting, attempts = [], [], [], [], []
    for n, order_id in enumerate(ids):
        placed_at = now - dt.timedelta(seconds=BACKOFF_SECONDS * (1 - n / tasks))
        row, key, tried = FIRST_ID + n, f"B{n:06d}:1:settlement", n % 2 == 0
        due_at = now + dt.timedelta(seconds=60 + BACKOFF_SECONDS * n / tasks) if tried else placed_at
        orders.append(
            {"id": order_id, "number": f"B{n:06d}", "state": "confirmed", "placement_number": 1,
             "created_at": placed_at, "updated_at": placed_at, "customer_email": f"{n}@example.com", **CUSTOMER}
        )  # fmt: skip
        placements.append({"id": row, "order_id": order_id, "number": 1, "state": "confirmed", "started_at": placed_at})
        submissions.append(
            {"scope": "shop", "key": f"B{n}", "content_hash": "", "order_id": order_id, "placement_id": row,
             "lease_until": None, "fencing": 1, "created_at": placed_at}
        )  # fmt: skip
        waiting.append(
            {"id": row, "order_id": order_id, "placement_id": row, "kind": "settle", "system": "settlement", "key": key,
             "state": "waiting", "due_at": due_at, "publish_at": due_at, "attempts": int(tried), "claims": int(tried),
             "fencing": int(tried), "attempt_limit": 12, "created_at": placed_at}
        )  # fmt: skip
        if tried:
            attempts.append(
                {"order_id": order_id, "task_id": row, "system": "settlement", "number": 1, "verb": "act",
                 "started_at": placed_at, "duration_ms": 5, "worker": "one of then", "outcome": "unknown",
                 "code": "maintenance", "worked": False, "message": "answered 503", "exchanges": "[]"}
            )  # fmt: skip
    with app.app_context():
        for model, rows in (
            (Order, orders),
            (Placement, placements),
            (Submission, submissions),
            (Task, waiting),
            (Attempt, attempts),
        ):
            with writing() as session:
                session.execute(insert(model), rows)
        db.engine.dispose()
