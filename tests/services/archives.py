"""What tests of the archive share: time that passes, an archive's run, and what its file holds."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update

from orderapp.models import Base, Order, Submission, Task, db_now
from orderapp.services.archive.archive import Moved, archive
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from tests.services.shop import Shop

DAY = 86_400.0
AGE = 90 * DAY
# Counters run out by themselves.
STAYS = {"products", "archives", "archived_orders", "archived_keys", "audit_entries", "rate_counters"}


def let_days_pass(days: float = 100) -> None:
    """Do as if everything had happened so much earlier."""
    earlier = db_now(-days * DAY)
    columns = (Order.created_at, Order.updated_at, Task.finished_at, Submission.created_at)
    with writing() as session:
        for column in columns:
            session.execute(update(column.class_).where(column.is_not(None)).values({column: earlier}))


def archived(shop: Shop, file: Path, age_seconds: float = AGE, stop: threading.Event | None = None) -> Moved:
    """Archive what can be; return what was moved."""
    told: list[int] = []
    moved = archive(age_seconds, file, COMMAND_LINE, shop.settings, told.append, stop or threading.Event())
    assert told == sorted(told)
    assert told[-1:] in ([], [moved.orders])
    return moved


def orders_in(file: Path) -> list[dict[str, Any]]:
    """Return the orders in a file, in the order of its lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def numbers_in(file: Path) -> list[str]:
    return [one["order"]["number"] for one in orders_in(file)]


def rows_left() -> dict[str, int]:
    """Return how many rows each table has, those left out that have none or keep what is archived."""
    with reading() as session:
        counts = {
            name: session.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }
    return {name: count for name, count in counts.items() if count and name not in STAYS}
