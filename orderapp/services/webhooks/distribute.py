"""Makes one delivery of each new event for each subscription that wants it; the timer calls this."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select, update

from orderapp.domain.events import is_wanted
from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, Event, WebhookSubscription, db_now, table_of
from orderapp.services.db.transactions import reading, writing
from orderapp.services.webhooks.deliver import deliver
from orderapp.services.webhooks.queues import BATCH, give_tasks
from orderapp.services.webhooks.subscriptions import IN_USE


def distribute() -> bool:
    """Write the deliveries of the oldest new events; return whether there may be more.

    Transaction: one, committed here. It holds all subscriptions, so that of several timers one works at a time: the
        events of one order are distributed in their order.
    Idempotent because: an event is distributed once, and has one delivery for each subscription (unique).
    If we die here: nothing is written; the next pass does it.
    """
    with reading() as session:
        if session.scalar(select(Event.id).where(Event.distributed_at.is_(None)).limit(1)) is None:
            return False
    with writing() as session:
        in_use = select(WebhookSubscription).where(IN_USE).order_by(WebhookSubscription.id)
        subscriptions = session.scalars(in_use.with_for_update(key_share=True)).all()
        # Read only now: whoever held the subscriptions has committed.
        # As many as make a BATCH of deliveries: the subscriptions are held until they are written.
        most = max(1, BATCH // max(1, len(subscriptions)))
        new = select(Event).where(Event.distributed_at.is_(None)).order_by(Event.id).limit(most)
        events = session.scalars(new).all()
        rows = [_delivery(event, one) for event in events for one in subscriptions if _wants(one, event)]
        if rows:
            session.connection().execute(insert(table_of(Delivery)).values(created_at=db_now()), rows)
        session.execute(update(Event).where(Event.id.in_([one.id for one in events])).values(distributed_at=db_now()))
        orders = {event.order_id for event in events}
        for subscription in subscriptions:
            if subscription.paused_at is None:
                give_tasks(session, deliver, subscription.id, Delivery.order_id.in_(orders))
    return len(events) == most


def _wants(subscription: WebhookSubscription, event: Event) -> bool:
    # An event of before it was added, which waits only because the timer was away.
    return event.at >= subscription.created_at and is_wanted(event.type, subscription.events.split(","))


def _delivery(event: Event, subscription: WebhookSubscription) -> dict[str, Any]:
    return {
        "subscription_id": subscription.id,
        "event_id": event.id,
        "order_id": event.order_id,
        "sequence": event.sequence,
        "state": DeliveryState.WAITING.value,
        "tasks": 0,
    }
