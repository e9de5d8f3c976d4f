"""What follows for a subscription from the answers of its receiver, whatever was sent to it."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from orderapp.models import WebhookSubscription, db_now, seconds_until
from orderapp.services.webhooks.subscriptions import pausing
from orderapp.systems.webhooks import Delivered

# Over a weekend somebody has to notice; afterwards an unused address would cost calls for ever.
PAUSED_AFTER_SECONDS = 3 * 86_400.0
# What a receiver may ask for; longer would reach the end of an event's life.
LONGEST_RETRY_AFTER_SECONDS = 3600.0


def record_answer(session: Session, subscription_id: int, sent: Delivered) -> None:
    """Record whether a receiver fails, and pause one that is gone or has failed for too long.

    Transaction: within the caller's.
    """
    this = WebhookSubscription.id == subscription_id
    if sent.ok:
        well = update(WebhookSubscription).where(this, WebhookSubscription.failing_since.is_not(None))
        session.execute(well.values(failing_since=None))
        return
    first = update(WebhookSubscription).where(this, WebhookSubscription.failing_since.is_(None))
    session.execute(first.values(failing_since=db_now()))
    failing = select(-seconds_until(WebhookSubscription.failing_since)).where(this)
    failing_seconds = float(session.execute(failing).scalar_one() or 0.0)
    if sent.gone:
        pausing(session, subscription_id, "the receiver says that nobody wants its events any more (410)")
    elif failing_seconds > PAUSED_AFTER_SECONDS:
        pausing(session, subscription_id, f"it has failed for three days; last: {sent.status or ''} {sent.answer}")


def why_not_taken(sent: Delivered) -> tuple[str, float]:
    """Return what staff read about a message that wasn't taken, and the least pause in seconds until the next try."""
    said = f"answered {sent.status}: {sent.answer}" if sent.status else sent.answer
    # However often it says so, what it asks for uses up attempts, or it could keep a message until it is forgotten.
    return said, min(sent.retry_after_seconds or 0.0, LONGEST_RETRY_AFTER_SECONDS)
