"""An API client's orders, newest first, page by page."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, literal, select, tuple_

from orderapp.domain.states import OrderState
from orderapp.models import Order, holds
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import OrderView, load_views


@dataclass(frozen=True, slots=True)
class Edge:
    """The last order of a page; the next page begins after it."""

    created_at: dt.datetime
    order_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are wanted; what is None or empty doesn't matter."""

    state: OrderState | None = None
    created_from: dt.datetime | None = None  # at this time or later
    created_to: dt.datetime | None = None  # before this time
    email: str = ""  # in any capitals
    number: str = ""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Some orders, and where the next page begins; None if these are the last."""

    orders: Sequence[OrderView]
    next: Edge | None


def list_orders(client_id: int, wanted: OrderFilter, limit: int, after: Edge | None = None) -> OrderPage:
    """Return a page of the orders that an API client placed, newest first.

    Args:
        client_id: The client.
        wanted: Which orders.
        limit: The most orders, 1 or more.
        after: Where the page begins.
    """
    place, ids = (Order.created_at, Order.id), select(Order.id, Order.created_at).where(Order.client_id == client_id)
    if wanted.state is not None:
        ids = ids.where(holds(Order.state, wanted.state.value))
    if wanted.created_from is not None:
        ids = ids.where(Order.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        ids = ids.where(Order.created_at < wanted.created_to)
    if wanted.email:
        ids = ids.where(func.lower(Order.customer_email) == func.lower(wanted.email))
    if wanted.number:
        ids = ids.where(Order.number == wanted.number)
    if after is not None:
        edge = (literal(after.created_at, Order.created_at.type), literal(after.order_id, Order.id.type))
        ids = ids.where(tuple_(*place) < tuple_(*edge))
    with reading() as session:
        rows = session.execute(ids.order_by(*(column.desc() for column in place)).limit(limit + 1)).all()
        shown = rows[:limit]
        orders = load_views(session, [row.id for row in shown])
    return OrderPage(orders, Edge(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None)
