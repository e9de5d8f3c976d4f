"""Reads all rows of an order as one line of text, and deletes them."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, literal, select
from sqlalchemy.orm import Session

from orderapp.models import (
    ArchivedOrder,
    Attempt,
    AuditEntry,
    CartLock,
    Check,
    Delivery,
    Event,
    HeardCallback,
    ManualResolution,
    Mismatch,
    Order,
    OrderDiscount,
    OrderLine,
    Placement,
    Step,
    Submission,
    Task,
    table_of,
)
from orderapp.services.saga.archived_keys import keep_keys

# The start of each line: the kind and version of its format.
FORMAT = "orderapp order 1"
# Sorted by foreign keys, so that rows can be deleted from the last table to the first.
PARTS = {
    "lines": table_of(OrderLine),
    "discounts": table_of(OrderDiscount),
    "placements": table_of(Placement),
    "steps": table_of(Step),
    "submissions": table_of(Submission),
    "tasks": table_of(Task),
    "attempts": table_of(Attempt),
    "audit_entries": table_of(AuditEntry),
    "manual_resolutions": table_of(ManualResolution),
    "mismatches": table_of(Mismatch),
    "callbacks": table_of(HeardCallback),
    "checks": table_of(Check),
    "events": table_of(Event),
    "deliveries": table_of(Delivery),
}


def lines_of(session: Session, order_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """Return each order with all of its rows as a line of JSON, with the line break.

    `{"format", "order": {<column>: <value>}, "lines": [{...}], ..., "mismatches": [{...}]}`; times in UTC (RFC 3339),
    amounts in minor units. The line is ASCII, so that no reader sees another line break in it.

    Transaction: within the caller's, which has locked the orders; one query for each table.
    """
    orders = table_of(Order)
    found = {
        row["id"]: dict(row) for row in session.execute(select(orders).where(orders.c.id.in_(order_ids))).mappings()
    }
    parts = {name: _by_order(session, table, order_ids) for name, table in PARTS.items()}
    return {
        order_id: _line({"format": FORMAT, "order": order, **{name: rows[order_id] for name, rows in parts.items()}})
        for order_id, order in found.items()
    }


def delete_all(session: Session, order_ids: Sequence[uuid.UUID], archive_id: int) -> None:
    """Delete all rows of orders; only their keys and the name of the archive stay. Transaction: within the caller's."""
    orders = table_of(Order)
    stays = select(orders.c.id, orders.c.number, literal(archive_id)).where(orders.c.id.in_(order_ids))
    names = ["order_id", "number", "archive_id"]
    session.execute(insert(table_of(ArchivedOrder)).from_select(names, stays))
    keep_keys(session, order_ids)
    for table in (table_of(CartLock), *reversed(PARTS.values())):
        session.execute(delete(table).where(table.c.order_id.in_(order_ids)))
    session.execute(delete(orders).where(orders.c.id.in_(order_ids)))


def _by_order(
    session: Session, table: Table, order_ids: Sequence[uuid.UUID]
) -> defaultdict[uuid.UUID, list[dict[str, Any]]]:
    found: defaultdict[uuid.UUID, list[dict[str, Any]]] = defaultdict(list)
    rows = select(table).where(table.c.order_id.in_(order_ids)).order_by(*table.primary_key)
    for row in session.execute(rows).mappings():
        found[row["order_id"]].append({name: value for name, value in row.items() if name != "order_id"})
    return found


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, default=_as_text, separators=(",", ":")).encode() + b"\n"


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)
