"""Closes orders that stayed open although they hold nothing any more."""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy import select

from orderapp.domain.states import OrderState
from orderapp.models import Order, Placement, Step, Task
from orderapp.services.db.transactions import reading, writing
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.services.saga.compensation import close_if_complete, something_held
from orderapp.systems.registry import Systems

log = structlog.get_logger()

BATCH = 100  # a pass stays short; the next one takes up the rest


def close_left_open(systems: Systems) -> int:
    """Close the orders that are compensating and hold nothing any more, whatever the cause.

    Normally the last compensation of an order closes it. This covers the unexpected: rows changed by hand or restored
    from a backup, or a database that showed an older state to two compensations.

    Transaction: one for each order, committed here.
    Idempotent because: each order is checked again under its lock, and moved by compare-and-set.
    If we die here: the next pass closes what is left.

    Returns:
        How many were closed.
    """
    left = select(Order.id).where(
        Order.state == OrderState.COMPENSATING.value,
        ~something_held(Step.order_id == Order.id, Task.order_id == Order.id),
    )
    with reading() as session:
        order_ids = session.scalars(left.order_by(Order.created_at).limit(BATCH)).all()
    closed = 0
    for order_id in order_ids:
        with skipping(Kind.CLOSING, order_id):
            closed += _close(order_id, systems)
    return closed


def _close(order_id: uuid.UUID, systems: Systems) -> bool:
    with writing() as session:
        placements = session.scalars(select(Placement.id).where(Placement.order_id == order_id)).all()
        closed = [close_if_complete(session, order_id, placement_id, systems) for placement_id in placements]
    if any(closed):
        log.warning("order.closed_late", order=str(order_id))
    return any(closed)
