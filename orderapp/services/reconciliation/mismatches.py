"""Keeps the mismatches that reconciliation found: one row per effect, until a later comparison finds it resolved."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from orderapp.domain.states import DriftState
from orderapp.models import Drift, Order, Task, db_now
from orderapp.services.db.transitions import move
from orderapp.services.db.upserts import upsert
from orderapp.services.reconciliation.compare import Compared, Kind, Look
from orderapp.services.reconciliation.expected import OPEN as OPEN_TASKS
from orderapp.services.reconciliation.proofs import settle_overrides
from orderapp.systems.registry import Systems

UNSETTLED = Drift.state != DriftState.GONE.value
OPEN_DRIFTS = select(Drift.id).where(Drift.state == DriftState.OPEN.value)  # mismatches without a correction
SHOWN_OF_AN_ORDER = 20


def of_order(session: Session, order_id: uuid.UUID) -> Sequence[Drift]:
    """Return an order's newest mismatches, newest first. Transaction: within the caller's."""
    newest = select(Drift).where(Drift.order_id == order_id).order_by(Drift.id.desc()).limit(SHOWN_OF_AN_ORDER)
    return session.scalars(newest).all()


@dataclass(frozen=True, slots=True)
class Difference:
    """A mismatch, or an effect without a clear answer, as it is shown to people."""

    order_number: str
    system: str
    key: str
    kind: Kind
    ours: str
    theirs: str


def differences(compared: Iterable[Compared]) -> list[Difference]:
    """Return the differences of compared orders."""
    return [
        Difference(look.order_number, look.belief.system, look.belief.key, look.kind, look.belief.ours, look.theirs)
        for one in compared
        for look in one.looks
        if look.kind is not None
    ]


def seen_since(session: Session, moment: dt.datetime) -> list[Difference]:
    """Return the unresolved mismatches seen since a moment, oldest first. Transaction: within the caller's."""
    rows = session.execute(
        select(Order.number, Drift.system, Drift.key, Drift.kind, Drift.ours, Drift.theirs)
        .join(Order, Order.id == Drift.order_id)
        .where(UNSETTLED, Drift.last_seen_at >= moment)
        .order_by(Drift.id)
    )
    return [Difference(number, system, key, Kind(kind), *words) for number, system, key, kind, *words in rows]


def record(session: Session, compared: Sequence[Compared], systems: Systems) -> None:
    """Record the comparison of some orders: new mismatches, resolved ones, and proven manual resolutions.

    Transaction: within the caller's, which locks the orders that differ: an act of staff on one of them comes before
        or after, never between.
    Idempotent because: an effect has at most one unresolved mismatch (unique); seeing it again increases its count.
    """
    looks = [look for one in compared for look in one.looks]
    for look in looks:
        if look.differs:
            _see(session, look)
    clean = [look.belief.key for look in looks if look.kind is None]
    if clean:
        move(session, Drift, DriftState.GONE, Drift.key.in_(clean), settled_at=db_now())
    # A settlement whose key was barred continues under a new one; the old key can't have an effect any more.
    used = [belief.key for one in compared for belief in one.order.beliefs]
    barred = (Drift.order_id.in_([one.order.id for one in compared]), Drift.key.not_in(used))
    move(session, Drift, DriftState.GONE, *barred, settled_at=db_now())
    settle_overrides(session, [look for look in looks if look.finding is not None], systems)


def _see(session: Session, look: Look) -> None:
    # A correction that has ended didn't help, so the mismatch is open again; a running correction continues.
    repaired = exists().where(Task.id == Drift.task_id, Task.state.in_(OPEN_TASKS))
    move(session, Drift, DriftState.OPEN, Drift.key == look.belief.key, ~repaired)
    seen = {
        "kind": look.kind,
        "ours": look.belief.ours,
        "theirs": look.theirs,
        "repair": look.repair.value,
        "last_seen_at": db_now(),
    }
    first = {
        **seen,
        "order_id": look.order_id,
        "placement_id": look.belief.placement_id,
        "system": look.belief.system,
        "key": look.belief.key,
        "state": DriftState.OPEN.value,
        "seen": 1,
        "found_at": db_now(),
    }
    counted = {**seen, "seen": Drift.seen + 1}
    session.execute(upsert(session, Drift, first, counted, unique="uq_drifts_key_unsettled"))
