"""The row of a reconciliation: who works on it, how far it is, what it came to.

At most one isn't finished. It is claimed like everything else, by a lease with a fencing token; one whose process died
is gone on with.
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

# The timer's run begins a day before the last one did: what was under way then is looked at now.
OVERLAP = dt.timedelta(days=1)
# A system that couldn't be asked in the last run is asked about the same orders again, up to so far back.
MAX_NIGHTLY = dt.timedelta(days=30)


@dataclass(slots=True)
class Counts:
    """What a reconciliation came to so far.

    Args:
        orders: Settled orders looked at.
        unsettled: Orders passed over, because they or their tasks are still under way.
        effects: Keys of which a clear answer was had.
        unaskable: Keys of systems that can't be asked by their nature.
        not_checked: Keys of which no clear answer could be had.
        differences: Effects that aren't as our rows say.

    """

    orders: int = 0
    unsettled: int = 0
    effects: int = 0
    unaskable: int = 0
    not_checked: int = 0
    differences: int = 0

    def add(self, compared: Sequence[Compared], unsettled: int) -> None:
        """Count orders that were compared, and some that were passed over."""
        looks = [look for one in compared for look in one.looks]
        not_checked = sum(look.kind is Kind.NOT_CHECKED for look in looks)
        self.orders += len(compared)
        self.unsettled += unsettled
        self.effects += len(looks) - not_checked
        self.unaskable += sum(one.unaskable for one in compared)
        self.not_checked += not_checked
        self.differences += sum(look.differs for look in looks)


@dataclass(slots=True)
class Run:
    """A reconciliation in our hands.

    Args:
        id: Its row.
        fencing: Our number among its holders.
        started_at: When it began.
        since_at: Where its period begins.
        taken_at: Where its period ends: when we took it up.
        reached: The last order that is done with, as (created_at, id); None at the beginning.
        counts: What it came to so far.
        resumed: Whether somebody before us stopped or died over it.
        finished: Whether it has come to its end.

    """

    id: int
    fencing: int
    started_at: dt.datetime
    since_at: dt.datetime
    taken_at: dt.datetime
    reached: tuple[dt.datetime, uuid.UUID] | None = None
    counts: Counts = field(default_factory=Counts)
    resumed: bool = False
    finished: bool = False


def take(since_seconds: float, lease_seconds: float) -> Run:
    """Begin a run over a period, or go on with one that died, if its period is at least as long.

    Transaction: one, committed here.
    Idempotent because: a run is taken over only when its lease is given up or has run out; two that would begin the
        same one collide on its number.
    If we die here: the lease runs out, and the next one goes on.

    Raises:
        WrongState: a reconciliation is under way; nothing was done.

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
    """Begin the timer's run if it is due, or go on with one that died.

    It is due an interval after the last one over at least an interval began; the first one when there are orders that
    old. Its period begins a day before the last one began that could check everything.

    Transaction, Idempotent because, If we die here: as for `take`.

    Returns:
        None where nothing is due, or where another process was faster.

    """
    with writing() as session:
        newest = newest_run(session)
        if newest is not None and newest.finished_at is None:
            return _take_over(session, newest, newest.since_at, lease_seconds)
        now, oldest_at = session.execute(select(db_now(), select(func.min(Order.created_at)).scalar_subquery())).one()
        interval = dt.timedelta(seconds=interval_seconds)
        long = [run for run in _last_runs(session) if run.started_at - run.since_at >= interval]
        last_at = long[0].started_at if long else oldest_at
        if last_at is None or now - last_at < interval:
            return None
        whole_at = next((run.started_at for run in long if not _counts(run).not_checked), oldest_at)
        return _begin(session, newest, max(whole_at - OVERLAP, now - MAX_NIGHTLY), lease_seconds)


def advance(session: Session, run: Run, lease_seconds: float | None, *, finished: bool = False) -> None:
    """Write down how far a run is and what it came to; hold it further, or give it up (`lease_seconds` None).

    Transaction: within the caller's, which also holds what was found on the way.

    Raises:
        LeaseLost: somebody else goes on with it; nothing may be written.

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
    """Return the run begun last. Transaction: within the caller's."""
    return next(iter(_last_runs(session)), None)


def last_reconciliation(session: Session) -> tuple[Reconciliation, Counts] | None:
    """Return the run begun last with what it came to so far. Transaction: within the caller's."""
    newest = newest_run(session)
    return (newest, _counts(newest)) if newest else None


def _last_runs(session: Session) -> Sequence[Reconciliation]:
    # A month of nights.
    return session.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(30)).all()


def _begin(session: Session, newest: Reconciliation | None, since_at: dt.datetime, lease_seconds: float) -> Run | None:
    number = newest.id + 1 if newest else 1
    first = {"id": number, "fencing": 1, "lease_until": db_now(lease_seconds), **_beginning(since_at)}
    # Another process that begins a run right now gives it the same number.
    beginning = upsert(session, Reconciliation, first, None, unique="id").returning(Reconciliation)
    begun = session.scalars(select(Reconciliation).from_statement(beginning)).one_or_none()
    return _run(session, begun) if begun else None


def _take_over(session: Session, newest: Reconciliation, since_at: dt.datetime, lease_seconds: float) -> Run | None:
    """Take over a run that nobody holds; one over a shorter period is begun anew."""
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
