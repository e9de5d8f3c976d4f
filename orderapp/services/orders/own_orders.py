"""The orders of a customer who has signed in: those of the shop whose mails go to that address now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_, union_all

from orderapp.models import Order
from orderapp.services.db.picked_rows import among
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import OrderView, load_views

ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class OwnOrders:
    """A page of orders; `after` is where the next page begins, None on the last one."""

    orders: Sequence[OrderView]
    after: str | None


def own_orders(email: str, after: str = "") -> OwnOrders:
    """Return a page of a customer's orders, newest first.

    Args:
        email: The address that was proven.
        after: The number of the order that the page begins after; the first page for one that isn't theirs.
    """
    place = (Order.created_at, Order.id)
    asked = select(Order.id, Order.number).where(goes_to(email), Order.client_id.is_(None))
    with reading() as session:
        edge = session.execute(select(*place).where(Order.number == after, goes_to(email))).one_or_none()
        if edge is not None:
            typed = (literal(value, column.type) for value, column in zip(edge, place, strict=True))
            asked = asked.where(tuple_(*place) < tuple_(*typed))
        newest = asked.order_by(*(column.desc() for column in place))
        rows = session.execute(newest.limit(ON_A_PAGE + 1)).all()
        orders = load_views(session, [row.id for row in rows[:ON_A_PAGE]])
    return OwnOrders(orders, rows[ON_A_PAGE - 1].number if len(rows) > ON_A_PAGE else None)


def owns(email: str, number: str) -> bool:
    """Return whether an order of the shop is one of the customer's with this address."""
    asked = select(Order.id).where(Order.number == number, Order.client_id.is_(None), goes_to(email))
    with reading() as session:
        return session.scalar(asked) is not None


def goes_to(email: str) -> ColumnElement[bool]:
    """Return the condition that an order's mails go to an address, in any capitals."""
    wanted = func.lower(email)
    ordered = and_(func.lower(Order.customer_email) == wanted, Order.corrected_email.is_(None))
    # Each by its own index: for both at once, PostgreSQL would rather look through all orders, the newest first.
    found = [select(Order.id).where(one) for one in (ordered, func.lower(Order.corrected_email) == wanted)]
    return among(Order.id, select(union_all(*found).subquery().c.id))
