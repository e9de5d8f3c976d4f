"""How the subscriptions are doing: which of them fail or are paused, and how much waits for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, WebhookSubscription, holds
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.webhooks.subscriptions import IN_USE, state_of

STATES = ("active", "failing", "paused")


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A subscription in use, its state as one word, and how many events wait for it."""

    subscription: WebhookSubscription
    state: str
    waiting: Count


def look(session: Session) -> Sequence[WebhookView]:
    """Return the subscriptions in use, oldest first. Transaction: reads only, within the caller's."""
    rows = session.scalars(select(WebhookSubscription).where(IN_USE).order_by(WebhookSubscription.id)).all()
    waiting = holds(Delivery.state, DeliveryState.WAITING.value)
    counts = capped(
        session, {row.id: select(Delivery.id).where(Delivery.subscription_id == row.id, waiting) for row in rows}
    )
    return [WebhookView(row, state_of(row), counts[row.id]) for row in rows]


def tally(session: Session) -> tuple[Mapping[str, int], Count]:
    """Return how many subscriptions have each of the STATES, and how many deliveries wait.

    Transaction: reads only, within the caller's.
    """
    states = Counter(state_of(row) for row in session.scalars(select(WebhookSubscription).where(IN_USE)))
    waiting = select(Delivery.id).where(holds(Delivery.state, DeliveryState.WAITING.value))
    return {state: states[state] for state in STATES}, capped(session, {"waiting": waiting})["waiting"]
