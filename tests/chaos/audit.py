"""The audit after a chaos run: compares the customers' answers, our rows and the systems' ledgers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tests.chaos.customers import Story
from tests.chaos.ticking import ticks_gone_wrong
from tests.flow.effect_ledger import connected, differences
from tests.flow.production import Production
from tests.flow.subscriber import Subscriber, untold

# By section of the sandbox: the column that counts, how much there is of what (beyond what any run can order; there
# are no scales, so they are refused), and how much of it the confirmed orders have.
SUPPLIES = {
    "stock": (
        "available",
        {"TEA-GREEN": 1_000_000, "TEA-BLACK": 1_000_000},
        """SELECT l.sku AS what, sum(l.quantity) AS how_many FROM order_lines l JOIN orders o ON o.id = l.order_id
            WHERE o.state = 'confirmed' GROUP BY l.sku""",
    ),
    "coupons": (
        "uses_left",
        {"WELCOME10": 1_000_000},
        "SELECT CAST(inputs AS jsonb) ->> 'coupon' AS what, count(*) AS how_many FROM orders WHERE state = 'confirmed' "
        "GROUP BY 1",
    ),
    "benefits": (
        "remaining",
        {"M-1001/VIP5": 1_000_000},
        """SELECT (CAST(inputs AS jsonb) ->> 'member_ref') || '/' || (CAST(inputs AS jsonb) ->> 'benefit') AS what,
            count(*) AS how_many FROM orders WHERE state = 'confirmed' GROUP BY 1""",
    ),
}

# Rows that contradict their order's final state. A text message with an unknown outcome may be in staff's hands.
CONTRADICTIONS = {
    "its placement is": """
        SELECT o.number, p.number || ' ' || p.state AS what FROM orders o JOIN placements p ON p.order_id = o.id
         WHERE p.state <> CASE WHEN o.state = 'confirmed' AND p.number = o.placement_number
                               THEN 'confirmed' ELSE 'compensated' END""",
    "its step is": """
        SELECT o.number, s.key || ' ' || s.state AS what FROM orders o JOIN steps s ON s.order_id = o.id
          JOIN placements p ON p.id = s.placement_id
         WHERE (s.state = 'done') <> (p.state = 'confirmed') OR s.state = 'unknown'""",
    "its task is": """
        SELECT o.number, t.kind || ' ' || t.system || ' ' || t.state AS what
          FROM orders o JOIN tasks t ON t.order_id = o.id
         WHERE t.system <> 'sms' AND t.state <> 'done' AND (o.state = 'confirmed' OR t.state <> 'cancelled')""",
    "its forward tasks are": """
        SELECT o.number, coalesce(string_agg(t.kind || ' ' || t.system, ', '), 'none') AS what
          FROM orders o LEFT JOIN tasks t ON t.order_id = o.id AND t.kind <> 'compensate'
         WHERE o.state = 'confirmed' GROUP BY o.id, o.number
        HAVING count(*) FILTER (WHERE t.news NOT IN ('', 'confirmed')) > 0
            OR count(*) FILTER (WHERE t.kind = 'settle') <> 1 OR count(*) FILTER (WHERE t.system = 'email') <> 1
            OR count(*) FILTER (WHERE t.system = 'sms') <> 1""",
}


def stock_up(production: Production) -> None:
    """Put enough of everything into the sandbox."""
    for section, (_, supplies, _) in SUPPLIES.items():
        for key, value in supplies.items():
            production.sandbox.set(section, key, value)


def problems(production: Production, stories: Sequence[Story], subscriber: Subscriber) -> list[str]:
    """Return all broken promises. Call it when no work is under way."""
    found = differences(production)
    ledger = production.sandbox.ledger()
    with connected(production) as connection:
        found += _rows_against_each_other(connection)
        found += _rows_against_what_was_told(connection, stories)
        found += _amounts(connection, ledger)
        found += _sums(connection, production)
        found += untold(connection, subscriber)
        found += ticks_gone_wrong(connection)
    return found + [problem for story in stories for problem in story.problems]


def _rows_against_each_other(connection: Connection) -> Iterator[str]:
    for what, query in CONTRADICTIONS.items():
        yield from (f"order {row.number}: {what} {row.what}" for row in connection.execute(text(query)))


def _rows_against_what_was_told(connection: Connection, stories: Sequence[Story]) -> Iterator[str]:
    states = {str(row.id): row.state for row in connection.execute(text("SELECT id, state FROM orders"))}
    keys = connection.execute(text("SELECT key, cast(order_id AS text) AS id FROM submissions"))
    by_key = {row.key: row.id for row in keys}
    by_customer: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(text("SELECT customer_email AS email, cast(id AS text) AS id FROM orders")):
        by_customer[row.email.partition("@")[0]].append(row.id)
    for story in stories:
        name = story.plan.key
        if len(by_customer[name]) != 1:
            yield f"{name} has {len(by_customer[name])} orders: {by_customer[name]}"
        for key, told in story.orders.items():
            if told != {by_key.get(key)}:
                yield f"key {key} was told of {told}; recorded is {by_key.get(key)}"
        if set().union(*story.orders.values()) - set(by_customer[name]):
            yield f"{name} was told of orders {story.orders}; there is {by_customer[name]}"
        state = states.get(story.order_id, "not there")
        if state not in story.expected:
            yield f"{name}: order {story.order_id} is {state}; the customer knows it as {sorted(story.expected)}"


def _amounts(connection: Connection, ledger: Mapping[str, Any]) -> Iterator[str]:
    totals = connection.execute(text("SELECT number, total_minor FROM orders WHERE state = 'confirmed'"))
    expected = {row.number: row.total_minor for row in totals}
    for effect in ledger["effects"]:
        if effect["system"] == "settlement" and effect["effect"] == "do" and effect["order_ref"] in expected:
            amount = effect["content"]["amount"]["value"]
            if amount != expected[effect["order_ref"]]:
                yield f"order {effect['order_ref']}: settled {amount}, not {expected[effect['order_ref']]}"


def _sums(connection: Connection, production: Production) -> Iterator[str]:
    for section, (column, supplies, query) in SUPPLIES.items():
        taken = Counter({row.what: int(row.how_many) for row in connection.execute(text(query))})
        for key, there_was in supplies.items():
            left = production.sandbox.value(section, key, column)
            if left != there_was - taken[key]:
                yield f"of {key} {there_was - left} are gone; the confirmed orders have {taken[key]}"
