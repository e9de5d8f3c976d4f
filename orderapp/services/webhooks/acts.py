"""What staff do about deliveries and paused subscriptions. Each act and its audit row are one transaction."""

from __future__ import annotations

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import DeliveryState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Delivery, Event, WebhookSubscription
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.webhooks.deliver import deliver, end
from orderapp.services.webhooks.queues import Place, give_task, give_tasks_again, is_first
from orderapp.services.webhooks.subscriptions import changing

log = structlog.get_logger()


def resend(delivery_id: int, actor: Actor, reason: str) -> int:
    """Send an event to its subscription now, whether it was delivered or not; return the number of its new task.

    Transaction: one, committed here, with its audit row.
    Idempotent because: receivers tell repeats by the event's id.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such delivery any more.
        WrongState: an earlier event of the order has to go first, or the subscription is removed or paused.
    """
    act = Act("delivery.resend", f"delivery {delivery_id}", audit.clean_reason(reason))
    with refusals_recorded(actor, act), writing() as session:
        delivery, subscription = _found(session, delivery_id, locked=True)
        waits = delivery.state == DeliveryState.WAITING.value
        if subscription.removed_at is not None:
            raise WrongState(f"Webhook {subscription.id} was removed. Nothing is sent.")
        if waits and subscription.paused_at is not None:
            raise WrongState(f"Webhook {subscription.id} is paused; resume it, and this event is sent.")
        if waits and not is_first(session, delivery):
            raise WrongState("An earlier event of the same order waits. This one is sent after it.")
        task_id = give_task(session, deliver, delivery_id, delivery.tasks, again=not waits)
        audit.write(session, actor, _about(session, act, delivery))
    log.info("delivery.resent", delivery=delivery_id, task=task_id, by=actor.staff_id)
    return task_id


def skip(delivery_id: int, actor: Actor, reason: str) -> None:
    """Give up a delivery that waits, so that the later events of its order are sent.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such delivery any more.
        WrongState: it has ended.
    """
    act = Act("delivery.skip", f"delivery {delivery_id}", audit.clean_reason(reason))
    with refusals_recorded(actor, act), writing() as session:
        delivery, _ = _found(session, delivery_id)
        if not end(session, delivery, DeliveryState.DROPPED):
            raise WrongState(f"Delivery {delivery_id} is {delivery.state}. Nothing was changed.")
        audit.write(session, actor, _about(session, act, delivery))
    log.info("delivery.skipped", delivery=delivery_id, by=actor.staff_id)


def resume(subscription_id: int, actor: Actor, reason: str) -> None:
    """Send a paused subscription its events again, those that waited first.

    Transaction: one with the audit row, then one for each hundred orders; committed here.
    Idempotent because, If we die here: resuming again gives the rest their tasks.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such subscription in use.
    """
    why = audit.clean_reason(reason)
    values = {"paused_at": None, "paused_because": None, "failing_since": None}
    with writing() as session:
        changing(session, "webhook.resume", subscription_id, actor, why, values)
    place: Place | None = give_tasks_again(deliver, subscription_id, None)
    while place is not None:
        place = give_tasks_again(deliver, subscription_id, place)
    log.info("webhook.resumed", subscription=subscription_id, by=actor.staff_id)


def _found(session: Session, delivery_id: int, *, locked: bool = False) -> tuple[Delivery, WebhookSubscription]:
    delivery = session.get(Delivery, delivery_id, with_for_update=locked or None)
    if delivery is None:
        raise NotFound(f"There is no delivery {delivery_id} any more.")
    return delivery, session.get_one(WebhookSubscription, delivery.subscription_id)


def _about(session: Session, act: Act, delivery: Delivery) -> Act:
    uid = session.scalar(select(Event.uid).where(Event.id == delivery.event_id))
    return Act(act.name, act.subject, act.reason, delivery.order_id, {"event": uid})
