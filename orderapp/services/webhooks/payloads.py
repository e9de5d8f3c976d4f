"""What a subscriber gets: the body of an event. The API's description is made from the same schemas."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.events import EventType
from orderapp.domain.states import OrderState
from orderapp.fast_json import to_json
from orderapp.models import Event, Order
from orderapp.services.orders.answer_schema import Answer, MoneySchema, UtcTime
from orderapp.systems.webhooks import Message


class EventOrderSchema(Answer):
    """The order as it was at the event. It has no personal data; ask `GET /api/v1/orders/{id}` for more."""

    id = fields.UUID(required=True)
    number = fields.String(required=True, metadata={"description": "What the external systems get as order_ref"})
    state = fields.Enum(OrderState, by_value=True, required=True)
    placements = fields.Integer(required=True, metadata={"description": "Passes over the blocking systems so far"})
    subtotal = fields.Nested(MoneySchema, required=True)
    total = fields.Nested(MoneySchema, required=True, metadata={"description": "What is left to pay"})
    created_at = UtcTime(required=True)


class EffectSchema(Answer):
    """What one of our keys brought about in a system."""

    system = fields.String(required=True)
    key = fields.String(required=True, metadata={"description": "Ours, as the system knows it"})


class EventDataSchema(Answer):
    """What the event is about."""

    order = fields.Nested(EventOrderSchema, required=True)
    effect = fields.Nested(EffectSchema, metadata={"description": "Of effect.unresolved and mismatch.*"})
    mismatch = fields.String(metadata={"description": "Of mismatch.found: missing effect, orphan effect, wrong state"})


class EventSchema(Answer):
    """An event."""

    id = fields.String(required=True, metadata={"description": "As in webhook-id: the same at each repeat"})
    type = fields.Enum(EventType, by_value=True, required=True)
    timestamp = UtcTime(required=True, metadata={"description": "When it happened"})
    sequence = fields.Integer(
        required=True,
        metadata={"description": "Grows within the order; what isn't above the last one is a repeat"},
    )
    data = fields.Nested(EventDataSchema, required=True)


_SCHEMA = EventSchema()
_ORDER = (Order.number, Order.currency, Order.subtotal_minor, Order.created_at)


def message_of(session: Session, event_id: int) -> Message | None:
    """Return an event's message, which is the same each time; None if it is kept no longer.

    Transaction: reads only, within the caller's.
    """
    rows = select(Event, *_ORDER).join(Order, Order.id == Event.order_id).where(Event.id == event_id)
    row = session.execute(rows).one_or_none()
    return Message(row.Event.uid, row.Event.type, to_json(_body(row))) if row is not None else None


def _body(row: Any) -> Any:
    event: Event = row.Event
    order = {
        "id": event.order_id,
        "number": row.number,
        "state": OrderState(event.state),
        "placements": event.placement_number,
        "subtotal": {"minor": row.subtotal_minor, "currency": row.currency},
        "total": {"minor": event.total_minor, "currency": row.currency},
        "created_at": row.created_at,
    }
    return _SCHEMA.dump(
        {
            "id": event.uid,
            "type": EventType(event.type),
            "timestamp": event.at,
            "sequence": event.sequence,
            "data": {"order": order, **json.loads(event.details)},
        }
    )
