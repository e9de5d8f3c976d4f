"""Cancels confirmed orders."""

from __future__ import annotations

import uuid

import structlog

from orderapp.config import Settings
from orderapp.services.db.transactions import writing
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders.views import OrderView, find_order
from orderapp.services.saga.cancellation import turn_to_cancelled

log = structlog.get_logger()


def cancel_order(order_id: uuid.UUID, settings: Settings) -> OrderView:
    """Cancel a confirmed order: everything it holds is compensated.

    Transaction: one, committed here.
    Idempotent because: only a confirmed order is cancelled; an already cancelled order is returned unchanged.
    If we die here: before the commit nothing has changed; after it the relay finds the tasks.

    Raises:
        NotFound: there is no such order.
        WrongState: the order isn't confirmed; nothing was changed.
    """
    view = find_order(order_id)
    with writing() as session:
        turn_to_cancelled(session, view.id, settings.systems)
    wake_relay()
    log.info("order.cancelled", order=view.number)
    return find_order(order_id)
