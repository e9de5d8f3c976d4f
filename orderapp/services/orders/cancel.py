"""Cancels confirmed orders."""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import OrderState, PlacementState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Order, Placement, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import move
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.saga.compensation import close_if_complete, plan_compensation, plan_reversal

log = structlog.get_logger()

# Asking again changes nothing, so it isn't an error.
ALREADY = frozenset({OrderState.COMPENSATING.value, OrderState.CANCELLED.value})


def cancel_order(order_id: uuid.UUID, settings: Settings) -> OrderView:
    """Cancel a confirmed order: everything it holds is compensated.

    Transaction: one, committed here.
    Idempotent because: only a confirmed order is cancelled; an already cancelled order is returned unchanged.
    If we die here: before the commit nothing has changed; after it the relay finds the tasks.

    Raises:
        NotFound: there is no such order.
        WrongState: the order isn't confirmed; nothing was changed.
    """
    view = find_order(order_id)
    with writing() as session:
        turn_to_cancelled(session, view.id, settings)
    wake_relay()
    log.info("order.cancelled", order=view.number)
    return find_order(order_id)


def turn_to_cancelled(session: Session, order_id: uuid.UUID, settings: Settings) -> bool:
    """Cancel an order within the caller's transaction; return whether it changed. Raises WrongState, NotFound."""
    moved = move(
        session,
        Order,
        OrderState.COMPENSATING,
        Order.id == order_id,
        Order.state == OrderState.CONFIRMED.value,
        ends_as=OrderState.CANCELLED.value,
        updated_at=db_now(),
    )
    order = session.get(Order, order_id, populate_existing=True)
    if order is None:
        raise NotFound(f"There is no order {order_id} any more.")
    if not moved:
        if order.state in ALREADY and order.ends_as == OrderState.CANCELLED.value:
            return False
        raise WrongState(f"The order is {order.state}; only a confirmed order can be cancelled. Nothing was changed.")
    placement_id = session.execute(
        select(Placement.id).where(Placement.order_id == order_id, Placement.number == order.placement_number)
    ).scalar_one()
    move(session, Placement, PlacementState.COMPENSATING, Placement.id == placement_id)
    plan_compensation(session, order_id, placement_id, settings.systems)
    plan_reversal(session, order_id, placement_id, settings.systems)
    close_if_complete(session, order_id, placement_id)
    return True
