"""Mistakes in events and their deliveries: told beside the transaction, twice, out of order, or to the wrong place."""

from __future__ import annotations

from tests.mutations.mutation import Mutation

SERVICES = "orderapp/services"
EVENTS = ("tests/services/saga/test_events.py",)
DELIVERIES = ("tests/services/webhooks/test_deliveries.py",)

MUTATIONS = (
    Mutation(
        "an event is written outside the deciding transaction",
        f"{SERVICES}/saga/events.py",
        (
            (
                "        session.connection().execute(insert(_EVENTS).values(_row(order, event, details)))\n",
                "        from orderapp.services.db.transactions import writing\n\n"
                "        with writing() as beside:\n"
                "            beside.execute(insert(_EVENTS).values(_row(order, event, details)))\n",
            ),
        ),
        tests=EVENTS,
    ),
    Mutation(
        "the last two tasks don't wait for each other before they look",
        f"{SERVICES}/engine/finish.py",
        (("        session.execute(these.with_for_update(key_share=True))\n", ""),),
        tests=EVENTS,
    ),
    Mutation(
        "an event is sent while an earlier one of its order waits",
        f"{SERVICES}/webhooks/queues.py",
        (("Delivery.queued_at.is_(None), ~blocked, *which", "Delivery.queued_at.is_(None), *which"),),
        tests=DELIVERIES,
    ),
    Mutation(
        "all deliveries of a receiver that hangs hang with it",
        f"{SERVICES}/webhooks/turns.py",
        (("    if not session.scalar(select(tries)):\n", "    if True:\n"),),
        tests=DELIVERIES,
    ),
    Mutation(
        "who ends a delivery doesn't wait for who adds one",
        f"{SERVICES}/webhooks/queues.py",
        (
            (
                "    return session.execute(held.with_for_update(read=True)).one() == (None, None)",
                "    return session.execute(held).one() == (None, None)",
            ),
        ),
        tests=DELIVERIES,
    ),
    Mutation(
        "an event counts as published before the broker has confirmed it",
        "orderapp/systems/exchange.py",
        (('return Delivered(False, 0, f"RabbitMQ', 'return Delivered(True, 0, f"RabbitMQ'),),
        tests=("tests/services/webhooks/test_exchange.py",),
    ),
    Mutation(
        "a network address is checked only when it is added",
        "orderapp/systems/bounded.py",
        (("        if _call.permits is not None and not _call.permits(str(address[0])):\n", "        if False:\n"),),
        tests=("tests/systems/test_webhooks.py",),
    ),
)
