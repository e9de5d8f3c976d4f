"""Checks whether requests can be served."""

from __future__ import annotations

from sqlalchemy import select

from orderapp.errors import DatabaseUnavailable
from orderapp.models import Order
from orderapp.services.db.transactions import ping, reading

UNREACHABLE = "the database can't be used"
NO_TABLES = "the database has no tables of ours yet (flask db upgrade)"


def obstacles() -> list[str]:
    """Return the obstacles to serving, as texts without host names and addresses; empty if there is none."""
    try:
        ping()
    except DatabaseUnavailable:
        return [UNREACHABLE]
    try:
        with reading() as session:
            session.execute(select(Order.id).limit(1))
    except DatabaseUnavailable:
        return [NO_TABLES]
    return []
