"""Webhooks: the subscriptions to events, their deliveries, and acts of staff on both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2.runtime import Context
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.admin import cells, who
from orderapp.admin.acting import row_act
from orderapp.admin.listing import Code, OneOf, choices, order_numbers
from orderapp.admin.tabbed_listing import TabbedListing
from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, Event, Role
from orderapp.services.webhooks import acts, health, subscriptions

MAX_DIGITS = 19  # so many fit into any number of the column
EVENT = Markup('{}<br><span class="mono muted">{}</span>')


class OneWebhook(Code):
    """A filter by the number of a subscription, which may have been removed."""

    def validate(self, value: str) -> bool:
        """Return whether the value can be a subscription's number."""
        return value.isascii() and value.isdecimal() and len(value) < MAX_DIGITS

    def apply(self, query: Any, value: str, alias: Any = None) -> Any:
        """Narrow a statement to the rows that have the value."""
        return query.where(self.column == int(value))


def _event(_view: Any, context: Context | None, row: Delivery, _name: str) -> Any:
    event = context["events"].get(row.event_id) if context else None
    return EVENT.format(event.type, event.uid) if event else cells.NOTHING


def _state(row: Delivery) -> Markup:
    ended = Markup('<br><span class="muted">{}</span>').format(cells.time_of(row.ended_at)) if row.ended_at else ""
    return cells.badge(row.state) + ended


def _attempts(row: Delivery) -> Markup:
    return cells.task_link(row.task_id) if row.task_id else cells.NOTHING


class WebhooksView(TabbedListing):
    """Deliveries, newest first, below the subscriptions."""

    list_template = "office/webhooks.html"
    state_texts = {state: state.value.capitalize() for state in DeliveryState}
    column_formatters = {
        "event_id": _event,
        "order_id": cells.order,
        "subscription_id": cells.text,
        "state": cells.by_row(_state),
        "created_at": cells.moment,
        "task_id": cells.by_row(_attempts),
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "event_id": "Event",
        "order_id": "Order",
        "subscription_id": "Webhook",
        "created_at": "Since",
        "task_id": "Attempts",
    }
    column_filters = (
        OneOf("state", Delivery.state, "State", choices(DeliveryState)),
        OneWebhook("webhook", Delivery.subscription_id, "Webhook"),
    )
    newest_first = (Delivery.id,)
    empty_title = "No such deliveries"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the events, the orders' numbers, the deliveries of each tab, and the subscriptions."""
        events = session.scalars(select(Event).where(Event.id.in_({row.event_id for row in rows})))
        return {
            "order_numbers": order_numbers(session, rows),
            "events": {event.id: event for event in events},
            "tabs": self.tabs(session),
            "webhooks": [(one, subscriptions.since(one.subscription)) for one in health.look(session)],
            "may_act": who.member().may(Role.OPERATOR),
        }

    resend = row_act(
        "/deliveries/<id>/resend",
        Role.OPERATOR,
        "delivery.resend",
        acts.resend,
        "It is sent now; its newest task shows what the receiver answers.",
    )
    skip = row_act(
        "/deliveries/<id>/skip",
        Role.OPERATOR,
        "delivery.skip",
        acts.skip,
        "It isn't sent any more; the order's next event follows.",
    )
    pause = row_act(
        "/<id>/pause", Role.OPERATOR, "webhook.pause", subscriptions.pause, "Webhook {} is paused: its events wait."
    )
    resume = row_act(
        "/<id>/resume", Role.OPERATOR, "webhook.resume", acts.resume, "Webhook {} is resumed: what waited is sent now."
    )
