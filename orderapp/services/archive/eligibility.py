"""Which orders may be archived: those that have nothing open and didn't change for a long time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, exists, or_

from orderapp.domain.states import (
    FINAL_ORDER_STATES,
    HOLDING_STEP_STATES,
    OPEN_TASK_STATES,
    DeliveryState,
    MismatchState,
    OrderState,
    PlacementState,
)
from orderapp.models import (
    Delivery,
    Event,
    ManualResolution,
    Mismatch,
    Order,
    Placement,
    Step,
    Submission,
    Task,
    db_now,
)
from orderapp.services.reconciliation.runs import MAX_NIGHTLY, OVERLAP
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.systems.registry import Systems

DECIDED = (PlacementState.CONFIRMED.value, PlacementState.COMPENSATED.value)


def least_age(systems: Systems) -> dt.timedelta:
    """Return the least age of an order for archiving, counted from its last change.

    It covers the period of the timer's reconciliation, so that each order was compared with the systems before, and
    the key window of each system. A request that is repeated later is answered that its order was archived
    (`archived_keys`), not with its result.
    """
    windows = [system.key_window_seconds or 0.0 for system in systems.values()]
    return max(MAX_NIGHTLY, dt.timedelta(seconds=max(windows, default=0.0))) + OVERLAP


def archivable(age_seconds: float) -> ColumnElement[bool]:
    """Return the condition that an order has ended, holds and owes nothing, and didn't change for this long.

    It reads other tables, so it is certain only while the order's row is locked `FOR UPDATE`: every transaction that
    continues an order locks it first, or writes a row with a foreign key to it.
    """
    long_ago = db_now(-age_seconds)
    return and_(
        Order.created_at < long_ago,
        Order.updated_at < long_ago,
        Order.state.in_([state.value for state in FINAL_ORDER_STATES]),
        *(~one for one in _open(long_ago)),
    )


def _open(long_ago: ColumnElement[dt.datetime]) -> Sequence[ColumnElement[bool]]:
    """Return the conditions that must not hold: work on the order is open, or was open a short time ago."""
    holding = [state.value for state in HOLDING_STEP_STATES]
    # A confirmed order holds its effects on purpose.
    still_held = and_(Order.state != OrderState.CONFIRMED.value, Step.order_id == Order.id, Step.state.in_(holding))
    tasks = or_(Task.state.in_([state.value for state in OPEN_TASK_STATES]), Task.finished_at >= long_ago)
    submissions = or_(Submission.lease_until.is_not(None), Submission.created_at >= long_ago)
    return (
        exists().where(Task.order_id == Order.id, tasks),
        exists().where(Submission.order_id == Order.id, submissions),
        exists().where(Placement.order_id == Order.id, Placement.state.not_in(DECIDED)),
        exists().where(still_held),
        exists().where(ManualResolution.order_id == Order.id, UNPROVEN),
        exists().where(Mismatch.order_id == Order.id, Mismatch.state != MismatchState.GONE.value),
        # What others have still to be told.
        exists().where(Event.order_id == Order.id, or_(Event.distributed_at.is_(None), Event.at >= long_ago)),
        exists().where(Delivery.order_id == Order.id, Delivery.state == DeliveryState.WAITING.value),
    )
