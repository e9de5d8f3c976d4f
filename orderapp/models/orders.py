"""Order documents: the order, its lines, its discounts."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from orderapp.domain.orders import MAX_QUANTITY
from orderapp.domain.states import OrderState
from orderapp.models.base import Base, UtcDateTime, one_of, state_column


class Order(Base):
    """An order. `client_id` is the API client that placed it, empty for the shop's own form."""

    __tablename__ = "orders"
    __table_args__ = (
        one_of("state", OrderState),
        one_of("ends_as", (OrderState.FAILED, OrderState.CANCELLED)),
        CheckConstraint("subtotal_minor >= 0 AND total_minor >= 0 AND total_minor <= subtotal_minor", name="amounts"),
        CheckConstraint("placement_number >= 1", name="placement_from_one"),
        Index("ix_orders_newest", "created_at", "id"),
        Index("ix_orders_client_newest", "client_id", "created_at", "id"),
        Index("ix_orders_total_newest", "total_minor", "created_at", "id"),
        Index("ix_orders_state_newest", "state", "created_at"),
        Index("ix_orders_customer_email", text("lower(customer_email)")),
        Index(
            "ix_orders_corrected_email",
            text("lower(corrected_email)"),
            postgresql_where=text("corrected_email IS NOT NULL"),
            sqlite_where=text("corrected_email IS NOT NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    client_id: Mapped[int | None] = mapped_column(ForeignKey("api_tokens.id"))
    state: Mapped[str] = mapped_column(state_column(OrderState))
    # The order's state once its compensation is complete.
    ends_as: Mapped[str | None] = mapped_column(state_column(OrderState))
    placement_number: Mapped[int] = mapped_column(Integer)
    customer_name: Mapped[str] = mapped_column(String(200))
    # Empty once the customer was erased.
    customer_email: Mapped[str] = mapped_column(String(254))
    customer_phone: Mapped[str] = mapped_column(String(20))
    # Where its messages go, after its customer has corrected the address.
    corrected_email: Mapped[str | None] = mapped_column(String(254))
    # JSON: what the customer typed in for the systems, by the names of their inputs.
    inputs: Mapped[str] = mapped_column(Text)
    # The language it was placed in, in which its customer is written to: a code such as `de`.
    language: Mapped[str] = mapped_column(String(12), server_default="en")
    currency: Mapped[str] = mapped_column(String(3))
    subtotal_minor: Mapped[int] = mapped_column(BigInteger)
    total_minor: Mapped[int] = mapped_column(BigInteger)
    # The rate of the tax that its prices include, in percent: what was sold keeps it, whatever the setting says later.
    tax_percent: Mapped[str] = mapped_column(String(6), server_default="0")
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # How many events there were, written or not; the number of the newest one.
    event_number: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


SEARCH_INDEX = "ix_orders_search"
_OPEN = (Order.number, Order.customer_name, Order.customer_email, Order.customer_phone)


def searched_text() -> ColumnElement[str]:
    """Return an order's number, customer and inputs as one text in small letters, as the index of its parts has it."""
    return _joined(*_OPEN, Order.inputs)


def open_text() -> ColumnElement[str]:
    """Return the same without the inputs: a code that is worth something must not be found by a part of it."""
    return _joined(*_OPEN)


def _joined(first: Any, *columns: Any) -> ColumnElement[str]:
    for column in columns:
        first = first.op("||")(literal_column("' '")).op("||")(column)
    return func.lower(first)


def _knows_trigrams(_index: Any, _table: Any, bind: Any, **_: Any) -> bool:
    """Return whether a database has the extension that the index of parts needs; it is searched without, too."""
    if bind is None or bind.dialect.name != "postgresql":
        return False
    return bind.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")) is not None


Index(
    SEARCH_INDEX,
    searched_text().label("searched"),
    postgresql_using="gin",
    postgresql_ops={"searched": "gin_trgm_ops"},
).ddl_if(callable_=cast(Any, _knows_trigrams))


class OrderLine(Base):
    """A product as ordered, at the price at that time."""

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint(f"quantity BETWEEN 1 AND {MAX_QUANTITY}", name="quantity_in_range"),
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
    )

    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("products.sku"))
    name: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int] = mapped_column(Integer)
    price_minor: Mapped[int] = mapped_column(BigInteger)


class OrderDiscount(Base):
    """A discount of an order's present placement, or a payment such as by gift card, and the system that gave it."""

    __tablename__ = "order_discounts"
    __table_args__ = (CheckConstraint("amount_minor >= 0", name="amount_not_negative"),)

    order_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(32), primary_key=True)
    code: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    is_payment: Mapped[bool]
