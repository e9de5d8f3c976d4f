"""Fills a PostgreSQL database with orders that are finished, and a few that aren't, by statements over whole sets.

The rows are what the services leave behind: of a hundred orders 94 are confirmed, four failed (two of them with
something given back) and two are cancelled; they have one to three lines, a quarter have a coupon, a third a member's
benefit, half a phone number. A customer has five orders on average; all are spread evenly over thirteen months.
"""

from __future__ import annotations

from sqlalchemy import Engine, text

from bench.growth.rows import ROWS

OPEN_ORDERS = 40  # a quarter each: failed task, task due later, placement held by somebody, mismatch
SPREAD_DAYS = 400  # thirteen months: more than anybody keeps at hand
# Inserting into an index row by row takes three times as long as building it.
_DROPPABLE = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND indexname LIKE 'ix\\_%'
"""


def seed(engine: Engine, orders: int) -> None:
    """Add so many finished orders, and OPEN_ORDERS others, to an empty schema, and let the planner know of them."""
    values = {"orders": orders, "open": OPEN_ORDERS, "days": SPREAD_DAYS}
    with engine.begin() as connection:
        # Limits that keep requests short don't suit this; nor do checks of references that the statements get right.
        for setting in ("statement_timeout = 0", "session_replication_role = replica", "synchronous_commit = off"):
            connection.execute(text(f"SET LOCAL {setting}"))
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        indexes = connection.execute(text(_DROPPABLE)).all()
        for name, _ in indexes:
            connection.execute(text(f"DROP INDEX {name}"))
        for statement in ROWS:
            connection.execute(
                text(statement), {name: value for name, value in values.items() if f":{name}" in statement}
            )
        for _, definition in indexes:
            connection.execute(text(definition))
    # What was written long ago is known to be visible to all, in production as well.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
