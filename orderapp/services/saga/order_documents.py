"""Loads orders in the form that external systems see, with lines and discounts, in one query."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Select,
    Uuid,
    bindparam,
    false,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, Discount, Line, OrderDocument
from orderapp.errors import NotFound
from orderapp.models import Order, OrderDiscount, OrderLine, table_of

LINE, DISCOUNT = "line", "discount"
_DOCUMENT_COLUMNS = ("number", "customer_name", "customer_email", "customer_phone", "inputs", "language", "currency",
                     "subtotal_minor", "total_minor", "client_id", "tax_percent",
                     "corrected_email")  # fmt: skip
_PART_COLUMNS = ("part", "word", "text", "quantity", "minor", "is_payment")


def load_document(session: Session, order_id: uuid.UUID) -> OrderDocument:
    """Return the order's document. NotFound if there is no such order. Transaction: within the caller's."""
    return load_row_and_document(session, order_id)[1]


def load_row_and_document(session: Session, order_id: uuid.UUID) -> tuple[Any, OrderDocument]:
    """Return the order's row and its document. NotFound if there is none. Transaction: within the caller's."""
    rows = _rows(session.connection(), order_id)
    return rows[0], document_of(rows)


def ask_document(connection: Connection, order_id: uuid.UUID) -> OrderDocument:
    """Return the order's document where no session is needed. NotFound if there is no such order."""
    return document_of(_rows(connection, order_id))


def _rows(connection: Connection, order_id: uuid.UUID) -> Sequence[Any]:
    rows = connection.execute(_ONE, {"wanted": order_id}).all()
    if not rows:
        raise NotFound(f"There is no order {order_id}.")
    return rows


def load_documents(session: Session, order_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, OrderDocument]:
    """Return the documents of the orders that exist, in one query. Transaction: within the caller's."""
    return {order_id: document for order_id, (_, document) in load_rows_and_documents(session, order_ids).items()}


def load_rows_and_documents(
    session: Session, order_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, tuple[Any, OrderDocument]]:
    """Return the rows and documents of the orders that exist, in one query. Transaction: within the caller's."""
    rows = session.connection().execute(_SEVERAL, {"wanted": list(order_ids)}).all()
    orders = ((order_id, list(those)) for order_id, those in groupby(rows, key=lambda row: row.id))
    return {order_id: (those[0], document_of(those)) for order_id, those in orders}


def inputs_text(inputs: Inputs) -> str:
    """Return an order's inputs as its row keeps them."""
    return orjson.dumps(inputs).decode()


def document_of(rows: Sequence[Any]) -> OrderDocument:
    """Return the document from an order's rows, one or more: each row has the order and one line or discount."""
    order = rows[0]
    return OrderDocument(
        number=order.number,
        customer=Customer(order.customer_name, order.customer_email, order.customer_phone),
        lines=tuple(
            Line(row.word, row.text, row.quantity, Money(row.minor, order.currency)) for row in rows if row.part == LINE
        ),
        subtotal=Money(order.subtotal_minor, order.currency),
        total=Money(order.total_minor, order.currency),
        inputs=Inputs(orjson.loads(order.inputs)),
        discounts=tuple(
            Discount(row.word, row.text, Money(row.minor, order.currency), bool(row.is_payment))
            for row in rows
            if row.part == DISCOUNT
        ),
        in_shop=order.client_id is None,
        language=order.language,
        tax_percent=Decimal(order.tax_percent),
        corrected_email=order.corrected_email or "",
    )


def _orders_with_parts() -> Select[Any]:
    orders, parts = table_of(Order), _parts().subquery()
    return (
        select(orders, *(parts.c[name] for name in _PART_COLUMNS))
        .outerjoin(parts, parts.c.order_id == orders.c.id)
        .order_by(orders.c.id, parts.c.position, parts.c.word)
    )


def with_document(beside: FromClause, *columns: ColumnElement[Any], several: bool) -> Select[Any]:
    """Select these columns and the rows for `document_of`, joined to rows that have an `id` and an `order_id`.

    The result is sorted by `id`. Lines and discounts are looked up by the order's id, so the size of their tables
    doesn't matter.

    Args:
        beside: The rows to join.
        columns: The columns to return from them.
        several: Whether there may be more than one such row (PostgreSQL only).
    """
    orders = table_of(Order)
    parts: FromClause
    if several:
        parts = _parts(beside.c.order_id, beside).lateral("parts")
    else:
        parts = _parts(select(beside.c.order_id).scalar_subquery()).subquery("parts")
    document = [orders.c[name] for name in _DOCUMENT_COLUMNS]
    return (
        select(*columns, *document, *(parts.c[name] for name in _PART_COLUMNS))
        .join_from(beside, orders, orders.c.id == beside.c.order_id)
        .outerjoin(parts, true())
        .order_by(beside.c.id, parts.c.position, parts.c.word)
    )


def _parts(order_id: ColumnElement[Any] | None = None, *correlated: FromClause) -> CompoundSelect[Any]:
    """Select lines and discounts in common columns: all, or those of one order."""
    lines, discounts = table_of(OrderLine).c, table_of(OrderDiscount).c
    parts: list[Select[Any]] = [
        select(
            lines.order_id,
            literal(LINE).label("part"),
            lines.position,
            lines.sku.label("word"),
            lines.name.label("text"),
            lines.quantity,
            lines.price_minor.label("minor"),
            false().label("is_payment"),
        ),
        select(
            discounts.order_id, literal(DISCOUNT), literal(0), discounts.source, discounts.code, literal(0),
            discounts.amount_minor, discounts.is_payment,
        ),
    ]  # fmt: skip
    if order_id is not None:
        owners = (lines.order_id, discounts.order_id)
        parts = [part.where(owner == order_id) for part, owner in zip(parts, owners, strict=True)]
    if correlated:
        parts = [part.correlate(*correlated) for part in parts]
    return union_all(*parts)


# Built once, because every task and every answer needs them.
_ONE = _orders_with_parts().where(table_of(Order).c.id == bindparam("wanted", type_=Uuid))
_SEVERAL = _orders_with_parts().where(table_of(Order).c.id.in_(bindparam("wanted", expanding=True, type_=Uuid)))
