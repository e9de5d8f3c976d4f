"""The lock on a customer's cart. It lets any host recognise an identical cart inside the duplicate window."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Float, Integer, Uuid, and_, bindparam, literal, literal_column, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from orderapp.domain.states import OrderState
from orderapp.errors import ProbableDuplicate
from orderapp.models import CartLock, Order, Placement, db_now, table_of
from orderapp.services.db.transactions import reading
from orderapp.services.db.upserts import proposed, upsert
from orderapp.services.placing.opening import Opening

_ENDED = [literal(state.value) for state in (OrderState.FAILED, OrderState.CANCELLED)]


def lock_cart(session: Session, order_id: uuid.UUID, placement_number: int, opening: Opening) -> None:
    """Take the lock on the customer's cart in one statement, so that only one of two tabs gets it.

    Transaction: within the caller's. Raises ProbableDuplicate.
    """
    taking = locking(session.get_bind().dialect.name, whatever_holds_it=opening.request.allow_duplicate)
    parameters = locking_parameters(order_id, placement_number, opening)
    taken = session.connection().execute(taking, parameters).scalar_one_or_none()
    if taken is None:
        other = session.execute(select(CartLock.order_id).where(CartLock.cart_hash == opening.cart_hash)).scalar_one()
        raise ProbableDuplicate(other)


@lru_cache(maxsize=4)  # every order needs this statement
def locking(dialect_name: str, *, whatever_holds_it: bool) -> ReturningInsert[Any]:
    """Return the statement that takes a cart's lock and returns a row on success. It needs `locking_parameters`."""
    locks = table_of(CartLock)
    values = {
        "order_id": bindparam("cart_order", type_=Uuid),
        "placement_number": bindparam("cart_placement", type_=Integer),
        "expires_at": db_now(bindparam("window_seconds", type_=Float)),
    }
    free = None if whatever_holds_it else or_(locks.c.order_id == proposed(CartLock.order_id), ~_is_held())
    new = {"cart_hash": bindparam("cart"), **values}
    taking = upsert(dialect_name, CartLock, new, values, unique="cart_hash", where=free)
    return taking.returning(locks.c.order_id)


def locking_parameters(order_id: uuid.UUID, placement_number: int, opening: Opening) -> dict[str, Any]:
    """Return the parameters of `locking`."""
    return {
        "cart": opening.cart_hash,
        "cart_order": order_id,
        "cart_placement": placement_number,
        "window_seconds": opening.duplicate_window_seconds,
    }


def refuse_holder(opening: Opening) -> None:
    """Raise ProbableDuplicate with the order that holds the cart's lock; return if no order holds it any more."""
    with reading() as session:
        locks = table_of(CartLock).c
        held = select(locks.order_id).where(locks.cart_hash == opening.cart_hash, _is_held())
        other = session.execute(held, {"window_seconds": opening.duplicate_window_seconds}).scalar_one_or_none()
    if other is not None:
        raise ProbableDuplicate(other)


def refuse_locked(session: Session, order_id: uuid.UUID, opening: Opening) -> None:
    """Raise ProbableDuplicate if another order holds the cart's lock.

    The refusal that stopped our order may only be the effect of that order, such as a coupon that it has redeemed.

    Transaction: within the caller's.
    """
    locks = table_of(CartLock).c
    held_by_another = select(locks.order_id).where(locks.cart_hash == opening.cart_hash, locks.order_id != order_id)
    other = session.execute(
        held_by_another.where(_is_held()), {"window_seconds": opening.duplicate_window_seconds}
    ).scalar_one_or_none()
    if other is not None:
        raise ProbableDuplicate(other)


def _is_held() -> ColumnElement[bool]:
    """Whether the lock's order has not ended, and it was begun or decided within the window before now.

    The lock also names the placement: a statement that began before a retry still sees the order as failed. But the
    lock then names a later placement than the one that failed.
    """
    # Literal names, because nothing correlates inside ON CONFLICT: with columns, any ended order would free every cart.
    locks = table_of(CartLock)
    locked_by: ColumnElement[uuid.UUID] = literal_column(f"{locks.name}.order_id")
    locked_for: ColumnElement[int] = literal_column(f"{locks.name}.placement_number")
    window_seconds = bindparam("window_seconds", type_=Float)
    ended = select(Order.id).where(Order.id == locked_by, Order.placement_number >= locked_for, Order.state.in_(_ENDED))
    decided_at = Placement.decided_at
    begun_or_just_decided = select(Placement.id).where(
        Placement.order_id == locked_by,
        Placement.number == locked_for,
        or_(decided_at.is_(None), decided_at >= db_now(-window_seconds)),
    )
    return and_(or_(locks.c.expires_at >= db_now(), begun_or_just_decided.exists()), ~ended.exists())
