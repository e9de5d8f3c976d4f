"""Loads orders as the external systems get to see them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Discount, Line, OrderDocument
from orderapp.errors import NotFound
from orderapp.models import Order, OrderDiscount, OrderLine


def load_document(session: Session, order_id: uuid.UUID) -> OrderDocument:
    """Return the order's document. NotFound if there is no such order. Transaction: within the caller's."""
    found = load_documents(session, [order_id])
    if order_id not in found:
        raise NotFound(f"There is no order {order_id}.")
    return found[order_id]


def load_documents(session: Session, order_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, OrderDocument]:
    """Return the documents of those orders that there are: three queries. Transaction: within the caller's."""
    lines: dict[uuid.UUID, list[OrderLine]] = defaultdict(list)
    discounts: dict[uuid.UUID, list[OrderDiscount]] = defaultdict(list)
    for line in session.scalars(
        select(OrderLine).where(OrderLine.order_id.in_(order_ids)).order_by(OrderLine.position)
    ):
        lines[line.order_id].append(line)
    for discount in session.scalars(
        select(OrderDiscount).where(OrderDiscount.order_id.in_(order_ids)).order_by(OrderDiscount.source)
    ):
        discounts[discount.order_id].append(discount)
    orders = session.scalars(select(Order).where(Order.id.in_(order_ids)))
    return {order.id: _document(order, lines[order.id], discounts[order.id]) for order in orders}


def _document(order: Order, lines: list[OrderLine], discounts: list[OrderDiscount]) -> OrderDocument:
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
