"""Deletes old events with their deliveries, and drops what waits for removed subscriptions. Both in small parts."""

from __future__ import annotations

from functools import partial

import structlog
from sqlalchemy import delete, select

from orderapp.config import Settings
from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, Event, WebhookSubscription, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import move
from orderapp.services.webhooks.deliver import deliver
from orderapp.services.webhooks.queues import WAITING, hold, release_next

log = structlog.get_logger()

SLICE = 500  # a transaction of some tens of milliseconds
# A pass of the timer, so that recovery isn't kept waiting for long; the next pass goes on.
SLICES = 20
DAY_SECONDS = 86_400.0


def forget_old_events(settings: Settings) -> None:
    """Delete events that are older than `EVENTS_KEPT_DAYS`, delivered or not, and drop what nobody gets any more.

    Transaction: one for each SLICE, committed here.
    Idempotent because, If we die here: the next pass goes on.
    """
    for work in (partial(_delete_slice, settings.receivers.kept_days), _drop_slice):
        for _ in range(SLICES):
            if work() < SLICE:
                break


def _delete_slice(kept_days: int) -> int:
    old = select(Event.id).where(Event.at < db_now(-kept_days * DAY_SECONDS)).order_by(Event.at).limit(SLICE)
    with writing() as session:
        event_ids = session.scalars(old).all()
        if not event_ids:
            return 0
        of_them = Delivery.event_id.in_(event_ids)
        for subscription_id in session.scalars(select(WebhookSubscription.id).order_by(WebhookSubscription.id)).all():
            hold(session, subscription_id)
        undelivered = session.execute(
            select(Delivery.subscription_id, Delivery.order_id).where(of_them, WAITING).distinct()
        ).all()
        session.execute(delete(Delivery).where(of_them))
        session.execute(delete(Event).where(Event.id.in_(event_ids)))
        for subscription_id, order_id in undelivered:
            release_next(session, deliver, subscription_id, order_id)
    if undelivered:
        log.warning("events.forgotten_undelivered", orders=len(undelivered))
    return len(event_ids)


def _drop_slice() -> int:
    removed = select(WebhookSubscription.id).where(WebhookSubscription.removed_at.is_not(None))
    with writing() as session:
        waiting = select(Delivery.id).where(Delivery.subscription_id.in_(removed), WAITING).limit(SLICE)
        delivery_ids = session.scalars(waiting).all()
        if delivery_ids:
            these = Delivery.id.in_(delivery_ids)
            move(session, Delivery, DeliveryState.DROPPED, these, ended_at=db_now(), queued_at=None)
    return len(delivery_ids)
