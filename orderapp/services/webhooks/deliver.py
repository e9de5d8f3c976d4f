"""The job that sends one event to one subscription, and what follows from the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from orderapp.config import current_settings, task_lease
from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, WebhookSubscription, db_now
from orderapp.services.db.transitions import move
from orderapp.services.webhooks.answers import record_answer, why_not_taken
from orderapp.services.webhooks.payloads import message_of
from orderapp.services.webhooks.queues import hold, release_next
from orderapp.services.webhooks.subscriptions import signing_secrets
from orderapp.services.webhooks.turns import seconds_behind
from orderapp.systems.exchange import exchange_in, publish
from orderapp.systems.jobs import LONGEST_LEASE_SECONDS, job
from orderapp.systems.runs import GivenUp, Run
from orderapp.systems.settings import Environment
from orderapp.systems.webhooks import Delivered, Message, Receivers, send

log = structlog.get_logger()

# With the pauses between them, of half an hour on average, more than the three days after which a receiver is paused.
ATTEMPTS = 200


@dataclass(frozen=True, slots=True)
class Due:
    """What to send, and where to."""

    delivery: Delivery
    subscription: WebhookSubscription
    message: Message
    signing: list[str] = field(repr=False)


def lease(env: Environment) -> float:
    """Return how long a delivery may take: as long as every task, and what its receiver may take beside."""
    allowed_seconds = task_lease(env) + Receivers.from_environment(env).timeouts.total_seconds
    return min(allowed_seconds, LONGEST_LEASE_SECONDS)


def drop(session: Session, given_up: GivenUp) -> None:
    """Drop the delivery whose task staff have given up, or it would wait for ever, and its order's later events too.

    Transaction: within the caller's, which has ended the task.
    """
    delivery = session.get(Delivery, int(given_up.arguments["delivery"]))
    if delivery is not None and delivery.task_id == given_up.task_id:
        end(session, delivery, DeliveryState.DROPPED)


@job("event-delivery", attempts=ATTEMPTS, lease_seconds=lease, title="Event delivery", when_given_up=drop)
def deliver(run: Run) -> Any:
    """Send an event to a subscription.

    Transaction: one before the call and one after it, none open while the receiver is called.
    Idempotent because: receivers tell repeats by the event's id.
    If we die here: the event is sent again, under the same id.

    Raises:
        TryAgain: the receiver didn't take it; it is sent again later.
        Snooze: the receiver fails, and it is another delivery's turn to try it.
    """
    again = bool(run.arguments.get("again"))
    with run.transaction() as session:
        due = _due(session, int(run.arguments["delivery"]), again=again)
        behind_seconds = None if due is None else seconds_behind(session, due.subscription.id, run.task_id)
    if due is None:
        return "not sent: it has ended, or its subscription is paused or removed"
    if behind_seconds is not None:
        run.snooze(behind_seconds, "its receiver fails, and another delivery tries it right now")
    sent = _sent(due)
    with run.transaction() as session:
        record_answer(session, due.subscription.id, sent)
        if sent.ok:
            end(session, due.delivery, DeliveryState.DELIVERED)
    run.log.info("webhook.sent", subscription=due.subscription.id, sent=due.message.id, status=sent.status)
    if sent.ok:
        return {"status": sent.status, "answer": sent.answer} if sent.status else sent.answer
    return run.try_again(*why_not_taken(sent))


def _due(session: Session, delivery_id: int, *, again: bool) -> Due | None:
    """Return what to send; None if there is nothing to send now. Then the delivery has no task any more."""
    delivery = session.get(Delivery, delivery_id)
    if delivery is None or (delivery.state != DeliveryState.WAITING.value and not again):
        return None
    # Held, so that who resumes it sees either that this delivery has a task or that it has none.
    hold(session, delivery.subscription_id)
    subscription = session.get_one(WebhookSubscription, delivery.subscription_id, populate_existing=True)
    message = message_of(session, delivery.event_id)
    if subscription.removed_at is not None or message is None:
        end(session, delivery, DeliveryState.DROPPED)
        return None
    if subscription.paused_at is not None and not again:
        session.execute(update(Delivery).where(Delivery.id == delivery_id).values(queued_at=None))
        return None
    return Due(delivery, subscription, message, signing_secrets(session, subscription))


def _sent(due: Due) -> Delivered:
    settings, address = current_settings(), due.subscription.url
    exchange = exchange_in(address)
    if exchange is not None:
        return publish(exchange, due.message, settings.rabbitmq_urls)
    return send(address, due.message, due.signing, settings.receivers)


def end(session: Session, delivery: Delivery, state: DeliveryState) -> bool:
    """End a delivery, if it waits, and let the next one of its order go out; return whether it waited.

    Transaction: within the caller's.
    """
    hold(session, delivery.subscription_id)
    if not move(session, Delivery, state, Delivery.id == delivery.id, ended_at=db_now(), queued_at=None):
        return False
    release_next(session, deliver, delivery.subscription_id, delivery.order_id)
    return True
