"""One installation of the product with its own database, sandbox and processes; many of them run side by side."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, create_engine, insert, text, update

from orderapp import create_app
from orderapp.domain.states import TaskState
from orderapp.extensions import db
from orderapp.models import Product, Submission, Task, db_now
from orderapp.services.access import api_tokens
from orderapp.services.db.transactions import writing
from tests.flow.subscriber import Subscriber
from tests.servers.tables import create_tables
from tests.sweep.boundaries import Journal
from tests.sweep.processes import ForkedSandbox, Processes, in_a_process

PRICES = {"TEA-GREEN": 1000, "SCALE-01": 4500}
# Where the sandbox keeps what an order takes: the table, what is counted, of what.
STORES = (
    ("stock", "available", "sku = 'TEA-GREEN'"),
    ("coupons", "uses_left", "code = 'WELCOME10'"),
    ("benefits", "remaining", "member_ref = 'M-1001' AND code = 'VIP5'"),
)
PLENTY = 1000
COUPON_LATE_SECONDS = 0.4
SETTINGS = {
    "SECRET_KEY": "a secret for tests alone, and long enough",
    # Nothing here takes as long, however busy the machine is: what ends a call or a lease is a death or a fault.
    **{f"{name}_TIMEOUT": "1,2" for name in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS", "SMTP")},
    "SUBMISSION_LEASE_SECONDS": "30",
    "TASK_LEASE_SECONDS": "30",
    "RETRY_BASE_SECONDS": "0.05",
    "RETRY_MAX_SECONDS": "0.2",
    "RETRY_ATTEMPTS": "100",
    "TIMER_INTERVAL_SECONDS": "0.1",
    "WEBHOOKS_ALLOW_PRIVATE": "1",
    "WEBHOOKS_TIMEOUT": "1,2",
}
# What an order leaves behind, those that refer to others first.
ORDERS = (
    "deliveries",
    "events",
    "webhook_subscriptions",
    "attempts",
    "tasks",
    "steps",
    "cart_locks",
    "submissions",
    "placements",
)
ORDERS_TOO = ("order_discounts", "order_lines", "orders", "rate_counters")


class Installation:
    """One running installation; the constructor starts everything.

    Args:
        folder: For files of its own.
        database_url: An empty database.
        rabbitmq_url: A virtual host of its own; empty for the broker inside the worker.
    """

    def __init__(self, folder: Path, database_url: str, rabbitmq_url: str) -> None:
        self.database_url = database_url
        self.sandbox = ForkedSandbox(folder / "sandbox", coupon_late_seconds=COUPON_LATE_SECONDS)
        self._sandbox_file = sqlite3.connect(self.sandbox.settings.data, isolation_level=None, timeout=5)
        # The ledger refuses deletions; here each case begins with an empty one, like a new installation.
        self._sandbox_file.execute("DROP TRIGGER ledger_keeps_rows")
        os.environ.update(SETTINGS | self.sandbox.environ())
        os.environ.update(DATABASE_URL=database_url, RABBITMQ_URL=rabbitmq_url, INSTANCE_PATH=str(folder))
        self.token = in_a_process(_set_up)
        self.subscriber = Subscriber("*")
        self.journal = Journal(folder / "journal")
        self.journal.begin([])
        self.processes = Processes(self.journal)
        self._engine = create_engine(database_url)
        for role in ("web", "worker", "timer"):
            self.processes.start(role)

    def connect(self) -> Connection:
        """Connect to the database past the product."""
        return self._engine.connect()

    def begin_anew(self) -> None:
        """Delete our rows and the sandbox's, and fill its stock."""
        with self._engine.begin() as connection:
            for table in (*ORDERS, *ORDERS_TOO):
                connection.execute(text(f"DELETE FROM {table}"))
        for table in ("ledger", "text_messages", "mails"):
            self._sandbox_file.execute(f"DELETE FROM {table}")
        for table, counted, of in STORES:
            self._sandbox_file.execute(f"UPDATE {table} SET {counted} = {PLENTY} WHERE {of}")

    def subscribe(self) -> None:
        """Tell the subscriber of all that happens in this case."""
        self.subscriber.got.clear()
        with self._engine.begin() as connection:
            self.subscriber.subscribe(connection)

    def taken(self) -> list[int]:
        """Return how much is gone from each of STORES."""
        queries = (f"SELECT {PLENTY} - {counted} FROM {table} WHERE {of}" for table, counted, of in STORES)
        return [self._sandbox_file.execute(query).fetchone()[0] for query in queries]

    def let_leases_lapse(self, role: str) -> None:
        """Do as if the lease of who died had just run out, and as if what was lost with it had been missed.

        Nobody else holds one: there is one process of each role, and its successor isn't there yet.
        """
        held = Submission if role == "web" else Task
        lapsed = update(held).where(held.lease_until.is_not(None)).values(lease_until=db_now(-0.001))
        # The in-process broker dies with its worker. A hint that has a time comes round again; we don't wait for it.
        told = update(Task).where(Task.publish_at.is_not(None), Task.state == TaskState.WAITING.value)
        with self._engine.begin() as connection:
            connection.execute(lapsed)
            connection.execute(told.values(publish_at=Task.due_at))

    def close(self) -> None:
        """End all processes."""
        self.processes.kill()
        self.subscriber.stop()
        self.sandbox.stop()


def _set_up() -> str:
    """Make the tables, the products and an API client; return the client's token."""
    with create_app().app_context():
        create_tables(db.engine)
        rows = [{"sku": sku, "name": sku.title(), "price_minor": price} for sku, price in PRICES.items()]
        with writing() as session:
            session.execute(
                insert(Product).values([{**row, "currency": "EUR", "updated_at": db_now()} for row in rows])
            )
        return api_tokens.create("till")
