"""Whether requests can be served."""

from __future__ import annotations

from sqlalchemy import select

from orderapp.errors import DatabaseUnavailable
from orderapp.models import Order
from orderapp.services.db.transactions import ping, reading

UNREACHABLE = "the database can't be used"
NO_TABLES = "the database has no tables of ours yet (flask db upgrade)"


def obstacles() -> list[str]:
    """Return what stands in the way, in words that name no host and no address; empty where nothing does."""
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
