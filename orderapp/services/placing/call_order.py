"""Decides the order of the blocking calls: the system with the highest measured failure rate comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from math import inf

from flask import current_app
from sqlalchemy import Select, case, func, literal, select, union_all

from orderapp.domain.outcome import Outcome
from orderapp.models import Step
from orderapp.services.db.transactions import reading
from orderapp.systems.base import System

NEWEST_STEPS = 200  # enough to tell 2 % from 5 %, few enough to follow an outage within minutes
LEAST_STEPS = 20  # below this a rate is noise, and the declared order holds
REFRESH_SECONDS = 10.0  # rates change over minutes; reading them for each order would cost each a query


class _Rates:
    """The rates this process read last, and when. Each process reads for itself, from the same table."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rates: dict[str, float] = {}
        self.read_at: dict[str, float] = {}


def most_error_prone_first(systems: list[System]) -> list[System]:
    """Return the systems in the order in which to call them, so that a failure has the least to undo.

    Args:
        systems: In their declared order, which decides between equal rates and where there is no data yet.
    """
    known: _Rates = current_app.extensions.setdefault("orderapp.failure_rates", _Rates())
    now = time.monotonic()
    # A time per system: an order without a coupon doesn't refresh the coupon system's rate.
    stale = [system.name for system in systems if now - known.read_at.get(system.name, -inf) > REFRESH_SECONDS]
    # While one request reads, the others use the last known rates.
    if stale and known.lock.acquire(blocking=False):
        try:
            known.rates |= {name: rate or 0.0 for name, rate in failure_rates(stale).items()}
            known.read_at |= dict.fromkeys(stale, now)
        finally:
            known.lock.release()
    return sorted(systems, key=lambda system: -known.rates.get(system.name, 0.0))


def failure_rates(systems: Sequence[str]) -> dict[str, float | None]:
    """Return the share of each system's newest steps that weren't done, 0.0 to 1.0; None for fewer than LEAST_STEPS."""
    with reading() as session:
        rows = session.execute(union_all(*map(_tally, systems))).all()
    return {name: round(int(failures) / total, 2) if total >= LEAST_STEPS else None for name, total, failures in rows}


def _tally(system: str) -> Select[str, int, int]:
    newest = (
        select(Step.outcome)
        .where(Step.system == system, Step.outcome.is_not(None))
        .order_by(Step.id.desc())
        .limit(NEWEST_STEPS)
        .subquery()
    )
    failed = func.sum(case((newest.c.outcome == Outcome.DONE.value, 0), else_=1))
    return select(literal(system), func.count(), failed).select_from(newest)
