"""Turns a confirmed order to compensating: everything that it holds is given back."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import News, OrderState, PlacementState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Order, Placement
from orderapp.services.db.transitions import move
from orderapp.services.saga.compensation import close_if_complete, plan_compensation, plan_reversal
from orderapp.services.saga.events import move_order
from orderapp.services.saga.news import announce
from orderapp.services.saga.values import Stopped
from orderapp.systems.registry import Systems

# Asking again changes nothing, so it isn't an error.
ALREADY = frozenset({OrderState.COMPENSATING.value, OrderState.CANCELLED.value})


def turn_to_cancelled(session: Session, order_id: uuid.UUID, systems: Systems, because: Stopped | None = None) -> bool:
    """Cancel an order within the caller's transaction, with the message to its customer.

    Args:
        session: The caller's.
        order_id: The order.
        systems: The systems.
        because: The refusal that cancels it; None if somebody wishes it.

    Returns:
        Whether it changed.

    Raises:
        WrongState: the order isn't confirmed.
        NotFound: there is no such order any more.
    """
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
    move(session, Placement, PlacementState.COMPENSATING, Placement.id == placement_id, **_refusal(because))
    plan_compensation(session, order_id, placement_id, systems)
    plan_reversal(session, order_id, placement_id, systems)
    announce(session, order_id, placement_id, News.CANCELLED, systems)
    close_if_complete(session, order_id, placement_id, systems)
    return True


def _refusal(because: Stopped | None) -> dict[str, Any]:
    if because is None:
        return {}
    return {
        "failed_system": because.system,
        "failed_outcome": because.outcome.value,
        "failed_code": because.code[:64],
    }
