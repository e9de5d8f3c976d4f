"""The audit: our rows against the sandbox's ledger, line by line."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, Row, create_engine, text

from orderapp.currencies import amount_text
from orderapp.domain.money import Money
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until

HOLDING = ("inventory", "coupon", "membership", "settlement")
UNFINISHED = """
    SELECT 'order ' || number || ' ' || state FROM orders WHERE state IN ('placing', 'compensating')
    UNION ALL SELECT 'task ' || id || ' ' || kind || ' ' || system || ' ' || state || ' ' || coalesce(last_message, '')
      FROM tasks WHERE state IN ('waiting', 'running') AND (scheduled_at IS NULL OR claims > 0)
    UNION ALL SELECT 'event ' || type FROM events WHERE distributed_at IS NULL
    UNION ALL SELECT 'delivery ' || id FROM deliveries WHERE state = 'waiting'"""
PAID_AND_CANCELLED = """
    SELECT t.order_id FROM tasks t JOIN orders o ON o.id = t.order_id
     WHERE o.state = 'cancelled' AND t.kind = 'settle' AND t.state = 'done'"""
# The clocks of the database and the sandbox are one; their time stamps are rounded differently.
ROUNDING = dt.timedelta(milliseconds=5)


class Installed(Protocol):
    """An installation of the product with a sandbox of its own."""

    database_url: str

    @property
    def sandbox(self) -> RunningSandbox:
        """Its external systems."""


@contextmanager
def connected(production: Installed) -> Iterator[Connection]:
    """Read the installation's database past the product."""
    engine = create_engine(production.database_url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def unfinished(production: Installed) -> list[str]:
    """Return what is still under way, and not in staff's hands."""
    with connected(production) as connection:
        return list(connection.execute(text(UNFINISHED)).scalars())


def wait_until_quiet(production: Installed, within_seconds: float) -> None:
    """Wait until nothing is under way, here or in the sandbox; AssertionError with what still is."""

    def quiet() -> bool:
        return not unfinished(production) and production.sandbox.ledger()["waiting"] == 0

    assert poll_until(quiet, within_seconds=within_seconds, interval_seconds=0.2), unfinished(production)[:20]


def differences(production: Installed) -> list[str]:
    """Return every way in which the ledgers don't agree; the installation is quiet."""
    ledger = production.sandbox.ledger()
    with connected(production) as connection:
        return [
            *_effects_not_as_believed(connection, ledger),
            *_effects_without_intent(connection, ledger),
            *_gaps_in_history(connection),
            *_orders_without_end(connection),
            *_messages_too_many(connection, production, ledger),
        ]


def _effects_not_as_believed(connection: Connection, ledger: Mapping[str, Any]) -> Iterator[str]:
    held = Counter({(row["system"], row["reference"]): row["net"] for row in ledger["net"]})
    expected: Counter[tuple[str, str]] = Counter()
    present = """
        SELECT s.system, s.key FROM steps s JOIN placements p ON p.id = s.placement_id
          JOIN orders o ON o.id = p.order_id AND o.placement_number = p.number WHERE o.state = 'confirmed'
        UNION ALL SELECT t.system, t.key FROM tasks t JOIN orders o ON o.id = t.order_id
         WHERE o.state = 'confirmed' AND t.kind = 'settle'"""
    for row in connection.execute(text(present)):
        expected[row.system, row.key] += 1
    for system, key in sorted(held.keys() | expected.keys()):
        if system in HOLDING and held[system, key] != expected[system, key]:
            yield f"{system} holds {key} {held[system, key]} times, not {expected[system, key]}"


def _effects_without_intent(connection: Connection, ledger: Mapping[str, Any]) -> Iterator[str]:
    intents = {
        (row.system, row.key): _as_time(row.at)
        for row in connection.execute(
            text(
                "SELECT s.system, s.key, p.started_at AS at FROM steps s JOIN placements p ON p.id = s.placement_id"
                " UNION ALL SELECT system, key, created_at FROM tasks WHERE kind = 'settle'"
            )
        )
    }
    for effect in ledger["effects"]:
        if effect["system"] in HOLDING:
            known_at = intents.get((effect["system"], effect["reference"]))
            happened_at = dt.datetime.fromisoformat(effect["at"])
            if known_at is None or known_at > happened_at + ROUNDING:
                yield f"{effect['system']} did {effect['reference']} at {happened_at}, intended at {known_at}"


def _as_time(stored: dt.datetime | str) -> dt.datetime:
    """Return a time as the database gives it past the product: SQLite has text, in UTC."""
    return dt.datetime.fromisoformat(stored).replace(tzinfo=dt.UTC) if isinstance(stored, str) else stored


def _gaps_in_history(connection: Connection) -> Iterator[str]:
    # One claim may have two attempts: a worker that was stopped tells of it too, after whoever took the task from it.
    # Snoozes that say the same are counted with the attempt after them, or with the task, and have no attempts.
    numbers: dict[int, set[int]] = defaultdict(set)
    counted: Counter[int] = Counter()
    for row in connection.execute(text("SELECT task_id, number, repeats FROM attempts WHERE task_id IS NOT NULL")):
        numbers[row.task_id].add(row.number)
        counted[row.task_id] += row.repeats
    for task in connection.execute(text("SELECT id, claims, repeats FROM tasks")):
        left_out = set(range(1, task.claims + 1)) ^ numbers[task.id]
        if len(left_out) != counted[task.id] + task.repeats:
            yield f"task {task.id} was claimed {task.claims} times; its attempts are {sorted(numbers[task.id])}"


def _orders_without_end(connection: Connection) -> Iterator[str]:
    leased = "SELECT id FROM submissions WHERE lease_until IS NOT NULL"
    yield from (f"submission {row.id} still has a lease" for row in connection.execute(text(leased)))
    in_hands = "SELECT id, kind, system, last_message FROM tasks WHERE state = 'failed' AND kind <> 'notify'"
    yield from (f"staff have task {row.id}: {row}" for row in _rows(connection, in_hands))


def _messages_too_many(connection: Connection, production: Installed, ledger: Mapping[str, Any]) -> Iterator[str]:
    texts = Counter(row["body"] for row in production.sandbox.rows("texts"))
    yield from (f"{count} texts: {body}" for body, count in texts.items() if count > 1)
    mails: dict[str, set[str]] = defaultdict(set)
    for mail in production.sandbox.rows("mails"):
        mails[mail["subject"]].add(mail["message_id"])
    yield from (f"{subject}: mails with ids {ids}" for subject, ids in mails.items() if len(ids) > 1)
    yield from _news_and_mails(connection, set(mails), ledger)


def _news_and_mails(connection: Connection, subjects: set[str], ledger: Mapping[str, Any]) -> Iterator[str]:
    """Check that each order's end was told by mail, and no other end."""
    orders = _rows(connection, "SELECT id, number, client_id, state, total_minor, currency FROM orders")
    paid = {row.order_id for row in _rows(connection, PAID_AND_CANCELLED)}
    # The worker may have been in its call when the order was cancelled: its payment was taken and returned all the
    # same, but only its late answer shows it.
    undone = {
        row["order_ref"] for row in ledger["effects"] if row["system"] == "settlement" and row["effect"] == "undo"
    }
    wanted, allowed = set(), set()
    for row in orders:
        confirmed, failed, cancelled = (
            f"Your order {row.number} {end}" for end in ("is confirmed", "could not be placed", "is cancelled")
        )
        returned = f"We returned {amount_text(Money(row.total_minor, row.currency))} for your order {row.number}"
        # An earlier placement may have failed; a client's customers aren't told of that.
        allowed |= {failed} if row.client_id is None else set()
        if row.state == "confirmed":
            wanted.add(confirmed)
        if row.state == "cancelled":
            allowed.add(confirmed)  # unless it was cancelled before it was told
            wanted |= {cancelled} | ({returned} if row.id in paid and row.total_minor else set())
            allowed |= {returned} if row.number in undone and row.total_minor else set()
    yield from (f"no mail: {subject}" for subject in sorted(wanted - subjects))
    yield from (f"a mail that isn't true: {subject}" for subject in sorted(subjects - wanted - allowed))


def _rows(connection: Connection, query: str) -> list[Row[Any]]:
    return list(connection.execute(text(query)))
