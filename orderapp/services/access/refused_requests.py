"""Counts refused and throttled requests, for all processes together."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.models import Refusal
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert

CSRF = "csrf"  # the only refusal with status 400: the form belongs to another session


def count(area: str, status: int, code: str) -> None:
    """Count one refusal.

    Transaction: one, committed here: a single statement.

    Args:
        area: The part of the product: shop, api, office or operations.
        status: The HTTP status.
        code: The reason, one of a fixed set of codes.

    Raises:
        DatabaseUnavailable: the refusal isn't counted.
    """
    first = {"area": area, "status": status, "code": code, "count": 1}
    with writing() as session:
        session.execute(upsert(session, Refusal, first, {"count": Refusal.count + 1}, unique="area, status, code"))


def read_refusals(session: Session) -> tuple[tuple[str, int, str, int], ...]:
    """Return (area, status, code, count) for all refusals so far. Transaction: within the caller's."""
    rows = session.execute(select(Refusal.area, Refusal.status, Refusal.code, Refusal.count))
    return tuple((area, status, code, tally) for area, status, code, tally in rows)
