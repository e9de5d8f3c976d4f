"""Showing a customer's data to a member of staff who sees it masked: recorded, with the reason."""

from __future__ import annotations

import uuid

import structlog

from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing

log = structlog.get_logger()


def reveal_customer(order_id: uuid.UUID, number: str, actor: Actor, reason: str) -> None:
    """Record that a member of staff is shown the data of an order's customer; show it only after this.

    Transaction: one, committed here: the audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable; nothing was recorded.
    """
    why = audit.clean_reason(reason)
    with writing() as session:
        audit.write(session, actor, Act("order.reveal", f"order {number}", why, order_id))
    log.info("order.revealed", order=number, by=actor.staff_id)
