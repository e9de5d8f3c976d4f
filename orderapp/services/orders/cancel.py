"""Cancels confirmed orders; customers may do so within the shop's limit."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.cancelling import CancelLimit
from orderapp.domain.states import OPEN_TASK_STATES, OrderState, TaskKind, TaskState
from orderapp.errors import TooLate
from orderapp.models import Order, Placement, Task, db_now
from orderapp.services.db import audit
from orderapp.services.db.audit import CUSTOMER, Act
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.saga.cancellation import turn_to_cancelled
from orderapp.services.saga.compensation import lock_order

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Window:
    """Whether the customer of a confirmed order may still cancel it, and until when."""

    is_open: bool
    until: dt.datetime | None = None  # in UTC; None: until work on it is done


def cancel_order(order_id: uuid.UUID, settings: Settings) -> OrderView:
    """Cancel a confirmed order: everything it holds is compensated.

    Transaction: one, committed here.
    Idempotent because: only a confirmed order is cancelled; an already cancelled order is returned unchanged.
    If we die here: before the commit nothing has changed; after it the relay finds the tasks.

    Raises:
        NotFound: there is no such order.
        WrongState: the order isn't confirmed; nothing was changed.
    """
    view = find_order(order_id)
    with writing() as session:
        turn_to_cancelled(session, view.id, settings.systems)
    wake_relay()
    log.info("order.cancelled", order=view.number)
    return find_order(order_id)


def cancel_as_customer(order: OrderView, settings: Settings) -> None:
    """Cancel a confirmed order for its customer, if the shop's limit allows it; staff see who did it.

    Transaction, Idempotent because, If we die here: as for `cancel_order`.

    Raises:
        TooLate: the limit has passed; nothing was changed.
        NotFound, WrongState: as for `cancel_order`.
    """
    with writing() as session:
        lock_order(session, order.id)
        window = _window_of(session, order.id, settings.cancel_limit)
        if window is not None and not window.is_open:
            raise TooLate(f"The time in which customers can cancel order {order.number} is over. Nothing was changed.")
        if turn_to_cancelled(session, order.id, settings.systems):
            audit.write(session, CUSTOMER, Act("order.cancel", f"order {order.number}", order_id=order.id))
    wake_relay()
    log.info("order.cancelled", order=order.number, by="customer")


def window_of(order: OrderView, limit: CancelLimit) -> Window | None:
    """Return until when an order's customer may cancel it; None for an order that isn't confirmed."""
    if order.state is not OrderState.CONFIRMED:
        return None
    if limit.is_never:
        return Window(is_open=False)
    with reading() as session:
        return _window_of(session, order.id, limit)


def _window_of(session: Session, order_id: uuid.UUID, limit: CancelLimit) -> Window | None:
    """Return the window by the database's clock; None for an order that isn't confirmed."""
    asked = (
        select(Placement.id, Placement.decided_at, db_now(-60.0 * limit.minutes).label("earliest"))
        .join(Order, (Order.id == Placement.order_id) & (Order.placement_number == Placement.number))
        .where(Order.id == order_id, Order.state == OrderState.CONFIRMED.value)
    )
    confirmed = session.execute(asked).one_or_none()
    if confirmed is None:
        return None
    if not limit.until_fulfilled:
        until = confirmed.decided_at + dt.timedelta(minutes=limit.minutes)
        return Window(confirmed.decided_at > confirmed.earliest, until)
    work = select(Task.state).where(Task.placement_id == confirmed.id, Task.kind == TaskKind.TASK.value)
    states = {TaskState(state) for state in session.scalars(work)}
    # What is done may be a parcel on its way. Work that failed or was given up leaves nothing to wait for. A shop
    # without systems that work on orders can't know when one is fulfilled.
    return Window(not states or (TaskState.DONE not in states and bool(states & OPEN_TASK_STATES)))
