"""Orders placed in the shop, by the number that customers know."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.domain.states import OrderState, PlacementState
from orderapp.errors import NotFound, OrderArchived
from orderapp.models import ArchivedOrder, Order, Placement, Step, Submission
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import OrderView, load_view
from orderapp.services.saga.submissions import SHOP


@dataclass(frozen=True, slots=True)
class Submitted:
    """The order placed under a form's key."""

    order_id: uuid.UUID
    number: str


def submitted_under(keys: Sequence[str]) -> dict[str, Submitted]:
    """Return the orders placed under these keys of the shop's forms, by key; keys without an order are left out."""
    if not keys:
        return {}
    asked = (
        select(Submission.key, Order.id, Order.number)
        .join(Order, Order.id == Submission.order_id)
        .where(Submission.scope == SHOP, Submission.key.in_(keys))
    )
    with reading() as session:
        return {key: Submitted(order_id, number) for key, order_id, number in session.execute(asked)}


@dataclass(frozen=True, slots=True)
class UnderWay:
    """How far the order under a form's key has come."""

    number: str
    is_placing: bool  # whether its systems are being called
    systems: tuple[str, ...]  # their names, in the order of the calls
    called: int | None  # which of them is being called, from 1; None if that isn't known


def under_way(key: str) -> UnderWay | None:
    """Return how far the order under this key of a shop's form has come; None if there is no order."""
    asked = (
        select(Order.number, Placement.id, Placement.state, Placement.called_position)
        .select_from(Submission)
        .join(Order, Order.id == Submission.order_id)
        .join(Placement, Placement.id == Submission.placement_id)
        .where(Submission.scope == SHOP, Submission.key == key)
    )
    with reading() as session:
        found = session.execute(asked).one_or_none()
        if found is None:
            return None
        steps = select(Step.system).where(Step.placement_id == found.id).order_by(Step.position)
        systems = tuple(session.scalars(steps))
    return UnderWay(found.number, found.state == PlacementState.PLACING.value, systems, found.called_position)


def is_failing(order_id: uuid.UUID) -> bool:
    """Return whether an order failed, or is being undone; False for one that was archived."""
    with reading() as session:
        state = session.scalar(select(Order.state).where(Order.id == order_id))
    return state in (OrderState.COMPENSATING.value, OrderState.FAILED.value)


def find_shop_order(number: str) -> OrderView:
    """Return an order of the shop.

    Raises:
        OrderArchived: the order was archived.
        NotFound: there is no order with this number, or an API client placed it.
    """
    with reading() as session:
        order_id = session.scalar(select(Order.id).where(Order.number == number, Order.client_id.is_(None)))
        if order_id is None:
            if session.scalar(select(ArchivedOrder.order_id).where(ArchivedOrder.number == number)):
                raise OrderArchived(number)
            raise NotFound(f"There is no order {number} of the shop.")
        return load_view(session, order_id)
