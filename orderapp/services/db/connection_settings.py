"""The settings we need on each PostgreSQL connection, whatever the defaults of server, database and role are.

A statement sets them on each new connection. Start-up `options` don't work: poolers ignore or refuse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

# How long a statement waits for a lock before it gives up: longer than any of our transactions takes.
LOCK_WAIT_SECONDS = 5
# Our statements take less than a tenth of this. A hanging one ends well within a submission's lease of usual length.
STATEMENT_SECONDS = 15

PINNED: Mapping[str, str] = {
    # A statement that waited for a lock must see what the other transaction wrote. A stricter level would raise.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    # The text format of values: the driver reads and writes only this one.
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "client_encoding": "UTF8",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
}
# When a commit is durable: only values that don't wait for the disk are replaced, so that a server which also waits for
# its standby still does so.
DURABILITY = "synchronous_commit"
DURABLE = ("on", "remote_apply")

_PIN = "; ".join(
    [f"SET {name} = '{value}'" for name, value in PINNED.items()]
    + [f"SELECT set_config('{DURABILITY}', 'on', false) WHERE current_setting('{DURABILITY}') NOT IN {DURABLE}"]
)


def pin(connection: Any) -> None:
    """Set these settings in one round trip, on a driver connection in autocommit mode."""
    connection.execute(_PIN, prepare=False)


def not_kept(connection: Connection) -> list[str]:
    """Return the settings that have another value although we set them on each connection, with that value."""
    asked = text("SELECT current_setting(:name)")
    found = {name: connection.execute(asked, {"name": name}).scalar_one() for name in (*PINNED, DURABILITY)}
    wrong = {name for name, value in PINNED.items() if found[name] != value}
    if found[DURABILITY] not in DURABLE:
        wrong.add(DURABILITY)
    return [f"{name} = {found[name]}" for name in sorted(wrong)]
