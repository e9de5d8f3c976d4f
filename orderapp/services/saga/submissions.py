"""Submissions: what is recorded under a key, whether it may continue, and who holds its lease."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from orderapp.domain.states import PlacementState
from orderapp.errors import InProgress, KeyReused, LeaseLost
from orderapp.models import Placement, Step, Submission, db_now, seconds_until, table_of
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.admission import admit_within
from orderapp.services.resilience.system_status import read_standing
from orderapp.services.saga.content_hashes import ContentHash
from orderapp.services.saga.order_documents import load_document
from orderapp.services.saga.values import Held, PlannedStep
from orderapp.systems.registry import Systems

SHOP = "shop"  # the scope of the keys that our own form hands out

# Built once, on the tables, because every order needs it.
_SUBMISSIONS, _PLACEMENTS = table_of(Submission).c, table_of(Placement).c
_KNOWN = (
    select(
        _SUBMISSIONS.id,
        _SUBMISSIONS.order_id,
        _SUBMISSIONS.placement_id,
        _PLACEMENTS.number,
        _SUBMISSIONS.content_hash,
        seconds_until(_SUBMISSIONS.lease_until).label("lease_left_seconds"),
        _PLACEMENTS.state,
    )
    .join(table_of(Placement), _PLACEMENTS.id == _SUBMISSIONS.placement_id)
    .where(_SUBMISSIONS.scope == bindparam("scope"), _SUBMISSIONS.key == bindparam("key"))
)

GIVE_UP_LEASE = (
    update(table_of(Submission))
    .where(
        _SUBMISSIONS.id == bindparam("held_id"),
        _SUBMISSIONS.fencing == bindparam("held_fencing"),
        _SUBMISSIONS.lease_until.is_not(None),
    )
    .values(lease_until=None)
    .returning(_SUBMISSIONS.id)
)


@dataclass(frozen=True, slots=True)
class Known:
    """A submission that is already recorded."""

    id: int
    order_id: uuid.UUID
    placement_id: int
    placement_number: int
    content_hash: str
    lease_left_seconds: float | None
    placement_state: PlacementState


def client_scope(client_id: int) -> str:
    """Return the scope of an API client's keys."""
    return f"client:{client_id}"


def find(scope: str, key: str) -> Known | None:
    """Return what is recorded under a key, or None."""
    with reading() as session:
        row = session.execute(_KNOWN, {"scope": scope, "key": key}).one_or_none()
    if row is None:
        return None
    return Known(
        row.id,
        row.order_id,
        row.placement_id,
        row.number,
        row.content_hash,
        row.lease_left_seconds,
        PlacementState(row.state),
    )


def take_over(known: Known, content_hash: ContentHash, lease_seconds: float, systems: Systems) -> Held | None:
    """Take over the placement of a dead holder, unless it is decided.

    Transaction: one, committed here.
    Idempotent because: one conditional statement takes the lease and the next fencing token.
    If we die here: the lease runs out, and the next repeat or the timer takes over.

    Returns:
        The placement, held by us; None if it is decided, so that only the answer is missing.

    Raises:
        KeyReused: the key came with other content. Compared first: other content never gets "ask again later".
        InProgress: another process holds the placement now.
    """
    if not content_hash.is_that_of(known.content_hash):
        raise KeyReused(known.order_id)
    if known.placement_state is not PlacementState.PLACING or known.lease_left_seconds is None:
        return None
    if known.lease_left_seconds > 0:
        raise InProgress(max(1, round(known.lease_left_seconds)), known.order_id)
    started = time.monotonic()
    with writing() as session:
        taken = session.execute(
            update(Submission)
            .where(Submission.id == known.id, Submission.lease_until < db_now())
            .values(lease_until=db_now(lease_seconds), fencing=Submission.fencing + 1)
            .returning(Submission.fencing)
        ).scalar_one_or_none()
        if taken is None:
            raise InProgress(max(1, round(lease_seconds)), known.order_id)
        return _held(session, known, taken, lease_seconds, started, systems)


def _held(session: Session, known: Known, fencing: int, lease_seconds: float, started: float, systems: Systems) -> Held:
    planned = select(Step.id, Step.system, Step.key).where(Step.placement_id == known.placement_id)
    steps = session.execute(planned.order_by(Step.position)).all()
    if any(step.system not in systems for step in steps):
        # A step of a newer release, whose processes run beside ours; we leave its placement to them.
        raise InProgress(max(1, round(lease_seconds)), known.order_id)
    began = select(-seconds_until(Placement.started_at)).where(Placement.id == known.placement_id)
    age_seconds = float(session.execute(began).scalar_one())
    concerned = [systems[step.system] for step in steps]
    return Held(
        order_id=known.order_id,
        placement_id=known.placement_id,
        placement_number=known.placement_number,
        submission_id=known.id,
        fencing=fencing,
        document=load_document(session, known.order_id),
        steps=tuple(PlannedStep(*row) for row in steps),
        lease_ends_at=started + lease_seconds,
        idle_seconds=-(known.lease_left_seconds or 0.0),
        admission=admit_within(session, read_standing(session), concerned),
        keys_used_from=time.monotonic() - age_seconds,
    )


def give_up_lease(session: Session, submission_id: int, fencing: int) -> None:
    """Give up our lease to decide the placement. Transaction: within the caller's. LeaseLost if it isn't ours."""
    given_up = session.execute(GIVE_UP_LEASE, {"held_id": submission_id, "held_fencing": fencing})
    if given_up.one_or_none() is None:
        raise LeaseLost(f"submission {submission_id}: another holder has taken over")
