"""Keeps the mismatches that reconciliation found: one row per effect, until a later comparison finds it resolved."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, select, union
from sqlalchemy.orm import Session

from orderapp.domain.events import EventType
from orderapp.domain.states import MismatchState
from orderapp.models import ManualResolution, Mismatch, Order, Task, db_now
from orderapp.services.db.transitions import move, moving
from orderapp.services.db.upserts import upsert
from orderapp.services.reconciliation.compare import Compared, Kind, Look
from orderapp.services.reconciliation.expected import OPEN as OPEN_TASKS
from orderapp.services.reconciliation.proofs import end_proven
from orderapp.services.saga.events import tell, tell_if_consistent
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.systems.registry import Systems

UNRESOLVED = Mismatch.state != MismatchState.GONE.value
OPEN_MISMATCHES = select(Mismatch.id).where(
    Mismatch.state == MismatchState.OPEN.value
)  # mismatches without a correction
SHOWN_OF_AN_ORDER = 20


def of_order(session: Session, order_id: uuid.UUID) -> Sequence[Mismatch]:
    """Return an order's newest mismatches, newest first. Transaction: within the caller's."""
    newest = select(Mismatch).where(Mismatch.order_id == order_id).order_by(Mismatch.id.desc()).limit(SHOWN_OF_AN_ORDER)
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
        select(Order.number, Mismatch.system, Mismatch.key, Mismatch.kind, Mismatch.ours, Mismatch.theirs)
        .join(Order, Order.id == Mismatch.order_id)
        .where(UNRESOLVED, Mismatch.last_seen_at >= moment)
        .order_by(Mismatch.id)
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
    gone = _gone(session, Mismatch.key.in_(clean)) if clean else []
    # A settlement whose key was barred continues under a new one; the old key can't have an effect any more.
    used = [belief.key for one in compared for belief in one.order.beliefs]
    gone += _gone(session, Mismatch.order_id.in_([one.order.id for one in compared]), Mismatch.key.not_in(used))
    proven = end_proven(session, [look for look in looks if look.finding is not None], systems)
    for order_id in sorted({order_id for order_id, _ in gone} | proven):
        for of_order, effect in gone:
            if of_order == order_id:
                tell(session, order_id, EventType.MISMATCH_RESOLVED, effect=effect)
        tell_if_consistent(session, order_id)


def open_in(session: Session, order_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these orders have a mismatch or a manual resolution that a comparison may end.

    Transaction: within the caller's.
    """
    mismatched = select(Mismatch.order_id).where(Mismatch.order_id.in_(order_ids), UNRESOLVED)
    said = select(ManualResolution.order_id).where(ManualResolution.order_id.in_(order_ids), UNPROVEN)
    return set(session.scalars(union(mismatched, said)))


def _gone(session: Session, *which: ColumnElement[bool]) -> list[tuple[uuid.UUID, dict[str, str]]]:
    """Close mismatches; return the order of each, and what it was about."""
    moved = moving(Mismatch, MismatchState.GONE).where(*which).values(gone_at=db_now())
    rows = session.connection().execute(moved.returning(Mismatch.order_id, Mismatch.system, Mismatch.key))
    return [(order_id, {"system": system, "key": key}) for order_id, system, key in rows]


def _see(session: Session, look: Look) -> None:
    # A correction that has ended didn't help, so the mismatch is open again; a running correction continues.
    corrected = exists().where(Task.id == Mismatch.task_id, Task.state.in_(OPEN_TASKS))
    move(session, Mismatch, MismatchState.OPEN, Mismatch.key == look.belief.key, ~corrected)
    seen = {
        "kind": look.kind,
        "ours": look.belief.ours,
        "theirs": look.theirs,
        "correction": look.correction.value,
        "last_seen_at": db_now(),
    }
    first = {
        **seen,
        "order_id": look.order_id,
        "placement_id": look.belief.placement_id,
        "system": look.belief.system,
        "key": look.belief.key,
        "state": MismatchState.OPEN.value,
        "seen": 1,
        "found_at": db_now(),
    }
    counted = {**seen, "seen": Mismatch.seen + 1}
    seeing = upsert(session, Mismatch, first, counted, unique="uq_mismatches_key_unresolved").returning(Mismatch.seen)
    if session.execute(seeing).scalar_one() == 1:
        effect = {"system": look.belief.system, "key": look.belief.key}
        tell(session, look.order_id, EventType.MISMATCH_FOUND, effect=effect, mismatch=look.kind)
