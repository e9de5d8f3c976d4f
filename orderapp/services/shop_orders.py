"""Orders placed in the shop, by the number that customers know."""

from __future__ import annotations

from sqlalchemy import select

from orderapp.errors import NotFound, OrderArchived
from orderapp.models import ArchivedOrder, Order
from orderapp.services.database import reading
from orderapp.services.order_view import OrderView, load_view


def find_shop_order(number: str) -> OrderView:
    """Return an order of the shop.

    Raises:
        OrderArchived: it was there, and is archived.
        NotFound: there is none of this number, or an API client placed it.

    """
    with reading() as session:
        order_id = session.scalar(select(Order.id).where(Order.number == number, Order.client_id.is_(None)))
        if order_id is None:
            if session.scalar(select(ArchivedOrder.order_id).where(ArchivedOrder.number == number)):
                raise OrderArchived(number)
            raise NotFound(f"There is no order {number} of the shop.")
        return load_view(session, order_id)
