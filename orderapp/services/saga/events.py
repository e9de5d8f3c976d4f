"""Writes events, in the transaction that decides what they tell, if anybody subscribes.

Every change of an order's state counts as an event, written or not, so an order's numbers grow and never repeat.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, String, Update, exists, insert, literal, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.types import TypeEngine

from orderapp.domain.events import OF_STATE, EventType
from orderapp.domain.identity import new_id
from orderapp.domain.states import OPEN_TASK_STATES, MismatchState, OrderState
from orderapp.fast_json import to_json
from orderapp.models import (
    Event,
    ManualResolution,
    Mismatch,
    Order,
    Resolution,
    Task,
    WebhookSubscription,
    db_now,
    table_of,
)
from orderapp.services.db.json_rows import as_json, rows_of
from orderapp.services.db.transitions import moving
from orderapp.services.db.write_plan import Before

_ORDERS, _EVENTS, _SUBSCRIPTIONS = (table_of(one) for one in (Order, Event, WebhookSubscription))
_GIVEN: Mapping[str, TypeEngine[Any]] = {"uid": String(40), "type": String(32), "after": Integer()}
_COLUMNS = ("uid", "order_id", "sequence", "type", "state", "placement_number", "total_minor", "details", "at")


def is_heard() -> ColumnElement[bool]:
    """Return the condition that somebody subscribes to events; paused subscriptions count."""
    return exists().where(_SUBSCRIPTIONS.c.removed_at.is_(None))


def facts() -> tuple[ColumnElement[Any], ...]:
    """Return what a statement on an order returns so that its event can be written: see `recording`."""
    orders = _ORDERS.c
    return (
        orders.id,
        orders.state,
        orders.placement_number,
        orders.total_minor,
        orders.event_number,
        select(is_heard()).scalar_subquery().label("is_heard"),
    )


def recording(before: Before) -> ReturningInsert[Any]:
    """Return the write of events in a plan, after its write `order`, which returns `facts`; the parameter is `events`.

    The write belongs into the plan with `only_if="order.is_heard"`.
    """
    order, given = before["order"].c, rows_of(before.dialect_name, "events", _GIVEN)
    values = (
        given.c.uid,
        order.id,
        order.event_number - given.c.after,
        given.c.type,
        order.state,
        order.placement_number,
        order.total_minor,
        literal("{}"),
        db_now(),
    )
    # Sorted, because the ids have to grow with the numbers.
    rows = select(*values).join_from(before["order"], given, true()).where(order.is_heard)
    rows = rows.order_by(given.c.after.desc())
    inserting = insert(_EVENTS).from_select(_COLUMNS, rows, include_defaults=False)
    return inserting.returning(_EVENTS.c.id)


def events_parameter(types: Sequence[EventType]) -> str:
    """Return the value of the parameter `events`: these types, in their order; the last has the order's number."""
    return as_json(
        {"uid": new_uid(), "type": one.value, "after": len(types) - place} for place, one in enumerate(types, start=1)
    )


def move_order(
    session: Session, order_id: uuid.UUID, to: OrderState, *where: ColumnElement[bool], **values: Any
) -> bool:
    """Move an order to a state, along the edges only, and write the event of that state.

    Transaction: within the caller's.

    Returns:
        Whether it moved; if not, another process was faster or there is no such edge.
    """
    statement = moving(Order, to).where(*where).values(updated_at=db_now(), **values)
    return _tell(session, statement, order_id, OF_STATE[to], {})


def tell(session: Session, order_id: uuid.UUID, event: EventType, **details: Any) -> None:
    """Write an event about an order whose state doesn't change.

    Transaction: within the caller's, which has locked the order before it locked any of the order's tasks.

    Args:
        session: The caller's session.
        order_id: The order.
        event: What happened.
        details: What else it is about; no personal data.
    """
    _tell(session, update(_ORDERS).where(is_heard()), order_id, event, details)


def tell_if_consistent(session: Session, order_id: uuid.UUID) -> None:
    """Write `order.consistent` if the order is confirmed and nothing about it is open any more.

    Transaction: within the caller's, which has locked the order, and has ended something that was open before: so one
        order becomes consistent once, however many of its tasks end at the same time.
    """
    still = update(_ORDERS).where(is_heard(), _ORDERS.c.state == OrderState.CONFIRMED.value, ~_something_open())
    _tell(session, still, order_id, EventType.CONSISTENT, {})


def new_uid() -> str:
    """Return a new event's id for receivers."""
    return f"evt_{new_id().hex}"


def _tell(
    session: Session, statement: Update, order_id: uuid.UUID, event: EventType, details: Mapping[str, Any]
) -> bool:
    counted = statement.where(_ORDERS.c.id == order_id).values(event_number=_ORDERS.c.event_number + 1)
    order = session.connection().execute(counted.returning(*facts())).one_or_none()
    if order is not None and order.is_heard:
        session.connection().execute(insert(_EVENTS).values(_row(order, event, details)))
    return order is not None


def _row(order: Row[Any], event: EventType, details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": new_uid(),
        "order_id": order.id,
        "sequence": order.event_number,
        "type": event.value,
        "state": order.state,
        "placement_number": order.placement_number,
        "total_minor": order.total_minor,
        "details": to_json(details),
        "at": db_now(),
    }


def _something_open() -> ColumnElement[bool]:
    """Whether an order has an open task, an unresolved effect, or a mismatch that isn't resolved."""
    open_states = [state.value for state in OPEN_TASK_STATES]
    return (
        exists().where(Task.order_id == _ORDERS.c.id, Task.state.in_(open_states))
        | exists().where(
            ManualResolution.order_id == _ORDERS.c.id,
            ManualResolution.ended_at.is_(None),
            ManualResolution.resolution == Resolution.GIVEN_UP.value,
        )
        | exists().where(Mismatch.order_id == _ORDERS.c.id, Mismatch.state != MismatchState.GONE.value)
    )
