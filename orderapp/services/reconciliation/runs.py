"""The row of a reconciliation run: who works on it, its progress, its result.

At most one run is unfinished. A process claims it by a lease with a fencing token; if that process dies, another one
continues the run.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from orderapp.errors import LeaseLost, WrongState
from orderapp.models import Order, Reconciliation, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert
from orderapp.services.reconciliation.compare import Compared, Kind

# The period begins a day before the last run began, because orders that were in progress then are compared now.
OVERLAP = dt.timedelta(days=1)
# If a system couldn't be asked in the last run, it is asked about the same orders again, at most this far back.
MAX_NIGHTLY = dt.timedelta(days=30)


@dataclass(slots=True)
class Counts:
    """The result of a reconciliation so far."""

    orders: int = 0  # ended orders that were compared
    in_progress: int = 0  # orders that were left out, because they or their tasks are still in progress
    effects: int = 0  # keys with a clear answer
    unaskable: int = 0  # keys of systems that can never be asked
    not_checked: int = 0  # keys without a clear answer
    differences: int = 0  # mismatches

    def add(self, compared: Sequence[Compared], in_progress: int) -> None:
        """Count compared orders, and orders that were left out."""
        looks = [look for one in compared for look in one.looks]
        not_checked = sum(look.kind is Kind.NOT_CHECKED for look in looks)
        self.orders += len(compared)
        self.in_progress += in_progress
        self.effects += len(looks) - not_checked
        self.unaskable += sum(one.unaskable for one in compared)
        self.not_checked += not_checked
        self.differences += sum(look.differs for look in looks)


@dataclass(slots=True)
class Run:
    """A reconciliation run that we hold."""

    id: int  # its row
    fencing: int  # our fencing token
    started_at: dt.datetime  # when it began
    since_at: dt.datetime  # where its period begins
    taken_at: dt.datetime  # where its period ends: when we took the run
    # The last order that was compared, as (created_at, id); None at the beginning.
    reached: tuple[dt.datetime, uuid.UUID] | None = None
    counts: Counts = field(default_factory=Counts)  # its result so far
    resumed: bool = False  # whether an earlier holder stopped or died
    finished: bool = False  # whether it has ended


def take(since_seconds: float, lease_seconds: float) -> Run:
    """Begin a run over a period, or continue one that died if its period is at least as long.

    Transaction: one, committed here.
    Idempotent because: a run is taken over only when its lease was given up or has run out; two processes that begin
        the same run conflict on its number.
    If we die here: the lease runs out, and the next process continues.

    Raises:
        WrongState: another reconciliation is running; nothing was done.
    """
    with writing() as session:
        newest = newest_run(session)
        since_at: dt.datetime = session.execute(select(db_now(-since_seconds))).scalar_one()
        if newest is not None and newest.finished_at is None:
            run = _take_over(session, newest, since_at, lease_seconds)
        else:
            run = _begin(session, newest, since_at, lease_seconds)
    if run is None:
        raise WrongState("A reconciliation is under way already. Nothing was done; look again when it has ended.")
    return run


def take_nightly(interval_seconds: float, lease_seconds: float) -> Run | None:
    """Begin the run of its schedule if it is due, or continue one that died.

    It is due unless a run that covered at least an interval began in the half of an interval before; the first run is
    due when there are orders that old. Its period begins a day before the start of the last run that could check
    everything.

    Transaction, Idempotent because, If we die here: as for `take`.

    Returns:
        The run; None if nothing is due, or if another process was faster.
    """
    with writing() as session:
        newest = newest_run(session)
        if newest is not None and newest.finished_at is None:
            return _take_over(session, newest, newest.since_at, lease_seconds)
        now, oldest_at = session.execute(select(db_now(), select(func.min(Order.created_at)).scalar_subquery())).one()
        interval = dt.timedelta(seconds=interval_seconds)
        long = [run for run in _last_runs(session) if run.started_at - run.since_at >= interval]
        last_at = long[0].started_at if long else oldest_at
        if last_at is None or now - last_at < interval / 2:
            return None
        whole_at = next((run.started_at for run in long if not _counts(run).not_checked), oldest_at)
        return _begin(session, newest, max(whole_at - OVERLAP, now - MAX_NIGHTLY), lease_seconds)


def advance(session: Session, run: Run, lease_seconds: float | None, *, finished: bool = False) -> None:
    """Save a run's progress and result; extend its lease, or give it up (`lease_seconds` None).

    Transaction: within the caller's, which also records what was found.

    Raises:
        LeaseLost: another process continues the run; nothing may be written.
    """
    reached_at, reached_order_id = run.reached or (None, None)
    values: dict[str, Any] = {
        "reached_at": reached_at,
        "reached_order_id": reached_order_id,
        "counts": json.dumps(asdict(run.counts)),
        "lease_until": None if lease_seconds is None else db_now(lease_seconds),
    }
    if finished:
        values["finished_at"] = db_now()
    held = update(Reconciliation).where(
        Reconciliation.id == run.id, Reconciliation.fencing == run.fencing, Reconciliation.finished_at.is_(None)
    )
    if session.connection().execute(held.values(**values)).rowcount != 1:
        raise LeaseLost(f"Reconciliation {run.id}: another process goes on with it; what it finds counts.")


def newest_run(session: Session) -> Reconciliation | None:
    """Return the run that began last. Transaction: within the caller's."""
    return next(iter(_last_runs(session)), None)


def last_reconciliation(session: Session) -> tuple[Reconciliation, Counts] | None:
    """Return the run that began last, with its result so far. Transaction: within the caller's."""
    newest = newest_run(session)
    return (newest, _counts(newest)) if newest else None


def _last_runs(session: Session) -> Sequence[Reconciliation]:
    # A month of nights.
    return session.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(30)).all()


def _begin(session: Session, newest: Reconciliation | None, since_at: dt.datetime, lease_seconds: float) -> Run | None:
    number = newest.id + 1 if newest else 1
    first = {"id": number, "fencing": 1, "lease_until": db_now(lease_seconds), **_beginning(since_at)}
    # Another process that begins a run now uses the same number, so only one of the two succeeds.
    beginning = upsert(session, Reconciliation, first, None, unique="id").returning(Reconciliation)
    begun = session.scalars(select(Reconciliation).from_statement(beginning)).one_or_none()
    return _run(session, begun) if begun else None


def _take_over(session: Session, newest: Reconciliation, since_at: dt.datetime, lease_seconds: float) -> Run | None:
    """Take over a run that nobody holds; restart it if its period is too short."""
    longer = since_at < newest.since_at
    taken = session.scalars(
        update(Reconciliation)
        .where(
            Reconciliation.id == newest.id,
            Reconciliation.finished_at.is_(None),
            or_(Reconciliation.lease_until.is_(None), Reconciliation.lease_until < db_now()),
        )
        .values(
            fencing=Reconciliation.fencing + 1,
            lease_until=db_now(lease_seconds),
            **(_beginning(since_at) if longer else {}),
        )
        .returning(Reconciliation)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()
    return _run(session, taken, resumed=not longer) if taken else None


def _beginning(since_at: dt.datetime) -> dict[str, Any]:
    return {
        "started_at": db_now(),
        "since_at": since_at,
        "reached_at": None,
        "reached_order_id": None,
        "counts": json.dumps(asdict(Counts())),
    }


def _run(session: Session, row: Reconciliation, *, resumed: bool = False) -> Run:
    reached = None
    if row.reached_at is not None and row.reached_order_id is not None:
        reached = (row.reached_at, row.reached_order_id)
    now = session.execute(select(db_now())).scalar_one()
    return Run(row.id, row.fencing, row.started_at, row.since_at, now, reached, _counts(row), resumed)


def _counts(row: Reconciliation) -> Counts:
    return Counts(**json.loads(row.counts))
