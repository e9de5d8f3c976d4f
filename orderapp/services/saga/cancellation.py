"""Turns a confirmed order to compensating: everything that it holds is given back."""

from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import OrderState, PlacementState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Order, Placement
from orderapp.services.db.transitions import move
from orderapp.services.saga.compensation import close_if_complete, plan_compensation, plan_reversal
from orderapp.services.saga.events import move_order
from orderapp.systems.registry import Systems

# Asking again changes nothing, so it isn't an error.
ALREADY = frozenset({OrderState.COMPENSATING.value, OrderState.CANCELLED.value})


def turn_to_cancelled(session: Session, order_id: uuid.UUID, systems: Systems) -> bool:
    """Cancel an order within the caller's transaction; return whether it changed. Raises WrongState, NotFound."""
    confirmed = Order.state == OrderState.CONFIRMED.value
    moved = move_order(session, order_id, OrderState.COMPENSATING, confirmed, ends_as=OrderState.CANCELLED.value)
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
    plan_compensation(session, order_id, placement_id, systems)
    plan_reversal(session, order_id, placement_id, systems)
    close_if_complete(session, order_id, placement_id)
    return True
