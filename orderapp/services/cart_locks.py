"""The lock on a customer's cart, so that an identical one inside the window is recognised, on any host."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Float, Uuid, bindparam, literal, literal_column, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from orderapp.domain.orders import Customer
from orderapp.domain.states import OrderState
from orderapp.errors import ProbableDuplicate
from orderapp.models import CartLock, Order, db_now, table_of
from orderapp.services.upserts import upsert


@dataclass(frozen=True, slots=True)
class Cart:
    """Who orders what, for an order's first placement."""

    customer: Customer
    coupon: str
    benefit: str
    client_id: int | None
    cart_hash: str
    duplicate_window_seconds: int  # 0: an identical cart is never taken for a duplicate
    allow_duplicate: bool


def lock_cart(session: Session, order_id: uuid.UUID, cart: Cart) -> None:
    """Take the lock on the customer's cart in one statement, so that of two tabs exactly one gets it.

    Transaction: within the caller's. Raises ProbableDuplicate.
    """
    taking = locking(session.get_bind().dialect.name, whatever_holds_it=cart.allow_duplicate)
    taken = session.connection().execute(taking, locking_parameters(order_id, cart)).scalar_one_or_none()
    if taken is None:
        other = session.execute(select(CartLock.order_id).where(CartLock.cart_hash == cart.cart_hash)).scalar_one()
        raise ProbableDuplicate(other)


@lru_cache(maxsize=4)  # each order needs it
def locking(dialect_name: str, *, whatever_holds_it: bool) -> ReturningInsert[Any]:
    """Return the statement that takes a cart's lock: a row if it was got. `locking_parameters` are its parameters."""
    locks = table_of(CartLock)
    values = {
        "order_id": bindparam("cart_order", type_=Uuid),
        "expires_at": db_now(bindparam("window_seconds", type_=Float)),
    }
    # written out, since nothing correlates inside ON CONFLICT: with the column, any ended order would free every cart
    locked_by: ColumnElement[uuid.UUID] = literal_column(f"{locks.name}.order_id")
    ended = select(Order.id).where(
        Order.id == locked_by,
        Order.state.in_([literal(state.value) for state in (OrderState.FAILED, OrderState.CANCELLED)]),
    )
    free = None if whatever_holds_it else or_(locks.c.expires_at < db_now(), ended.exists())
    new = {"cart_hash": bindparam("cart"), **values}
    taking = upsert(dialect_name, CartLock, new, values, unique="cart_hash", where=free)
    return taking.returning(locks.c.order_id)


def locking_parameters(order_id: uuid.UUID, cart: Cart) -> dict[str, Any]:
    """Return what `locking` needs."""
    return {"cart": cart.cart_hash, "cart_order": order_id, "window_seconds": cart.duplicate_window_seconds}


def refuse_locked(session: Session, cart: Cart) -> None:
    """Name the order that the cart is locked by: what stopped this one may be nothing but that order's own effect.

    Transaction: within the caller's. Raises ProbableDuplicate.
    """
    other = session.execute(
        select(CartLock.order_id)
        .join(Order, Order.id == CartLock.order_id)
        .where(CartLock.cart_hash == cart.cart_hash, CartLock.expires_at >= db_now())
        .where(Order.state.not_in((OrderState.FAILED.value, OrderState.CANCELLED.value)))
    ).scalar_one_or_none()
    if other is not None:
        raise ProbableDuplicate(other)
