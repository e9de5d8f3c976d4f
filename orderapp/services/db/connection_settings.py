"""What we rely on of each connection to PostgreSQL, whatever the server's, database's and role's defaults say.

Set by a statement on each new connection, not by the `options` of its start: poolers ignore or refuse those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

# How long a statement waits for somebody else's lock before it gives up: longer than any transaction of ours takes.
LOCK_WAIT_SECONDS = 5
# None of ours takes a tenth of it. One that hangs ends well within a submission's lease, unless that is set very short.
STATEMENT_SECONDS = 15

PINNED: Mapping[str, str] = {
    # What waited for another's lock has to see what that one wrote. (A stricter level would refuse it instead.)
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "lock_timeout": f"{LOCK_WAIT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    # How values travel, as text: the driver reads and writes this form only.
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "client_encoding": "UTF8",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
}
# When a commit is kept for good: only what waits for less than the disk is replaced, so that one who has a standby and
# waits for it too still does.
DURABILITY = "synchronous_commit"
DURABLE = ("on", "remote_apply")

_PIN = "; ".join(
    [f"SET {name} = '{value}'" for name, value in PINNED.items()]
    + [f"SELECT set_config('{DURABILITY}', 'on', false) WHERE current_setting('{DURABILITY}') NOT IN {DURABLE}"]
)


def pin(connection: Any) -> None:
    """Set what we rely on, in one round trip, on a connection of the driver that commits each statement by itself."""
    connection.execute(_PIN, prepare=False)


def not_kept(connection: Connection) -> list[str]:
    """Return the settings that aren't in effect although each connection is given them, with what is instead."""
    asked = text("SELECT current_setting(:name)")
    found = {name: connection.execute(asked, {"name": name}).scalar_one() for name in (*PINNED, DURABILITY)}
    wrong = {name for name, value in PINNED.items() if found[name] != value}
    if found[DURABILITY] not in DURABLE:
        wrong.add(DURABILITY)
    return [f"{name} = {found[name]}" for name in sorted(wrong)]
