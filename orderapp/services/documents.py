"""Loads orders as the external systems get to see them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Uuid, bindparam, select
from sqlalchemy.orm import Session

from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Discount, Line, OrderDocument
from orderapp.errors import NotFound
from orderapp.models import Order, OrderDiscount, OrderLine, table_of

# Built once, on the tables: each task and each answer needs them.
_WANTED = bindparam("wanted", expanding=True, type_=Uuid)
_ORDERS = select(table_of(Order)).where(table_of(Order).c.id.in_(_WANTED))
_LINES = (
    select(table_of(OrderLine))
    .where(table_of(OrderLine).c.order_id.in_(_WANTED))
    .order_by(table_of(OrderLine).c.position)
)
_DISCOUNTS = (
    select(table_of(OrderDiscount))
    .where(table_of(OrderDiscount).c.order_id.in_(_WANTED))
    .order_by(table_of(OrderDiscount).c.source)
)


def load_document(session: Session, order_id: uuid.UUID) -> OrderDocument:
    """Return the order's document. NotFound if there is no such order. Transaction: within the caller's."""
    return load_row_and_document(session, order_id)[1]


def load_row_and_document(session: Session, order_id: uuid.UUID) -> tuple[Any, OrderDocument]:
    """Return the order's row and its document. NotFound if there is none. Transaction: within the caller's."""
    wanted = {"wanted": [order_id]}
    order = session.execute(_ORDERS, wanted).one_or_none()
    if order is None:
        raise NotFound(f"There is no order {order_id}.")
    lines, discounts = session.execute(_LINES, wanted).all(), session.execute(_DISCOUNTS, wanted).all()
    return order, document_of(order, lines, discounts)


def load_documents(session: Session, order_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, OrderDocument]:
    """Return the documents of those orders that there are: three queries. Transaction: within the caller's."""
    lines, discounts = defaultdict(list), defaultdict(list)
    wanted = {"wanted": list(order_ids)}
    for line in session.execute(_LINES, wanted):
        lines[line.order_id].append(line)
    for discount in session.execute(_DISCOUNTS, wanted):
        discounts[discount.order_id].append(discount)
    orders = session.execute(_ORDERS, wanted)
    return {order.id: document_of(order, lines[order.id], discounts[order.id]) for order in orders}


def document_of(order: Any, lines: Sequence[Any], discounts: Sequence[Any]) -> OrderDocument:
    """Return the document that rows of `orders`, `order_lines` and `order_discounts` hold."""
    return OrderDocument(
        number=order.number,
        customer=Customer(order.customer_name, order.customer_email, order.customer_phone, order.member_ref),
        lines=tuple(Line(row.sku, row.name, row.quantity, Money(row.price_minor, order.currency)) for row in lines),
        subtotal=Money(order.subtotal_minor, order.currency),
        total=Money(order.total_minor, order.currency),
        coupon=order.coupon,
        benefit=order.benefit,
        discounts=tuple(Discount(row.source, row.code, Money(row.amount_minor, order.currency)) for row in discounts),
    )
