"""What a job gets while its task is held: its arguments, transactions of its own, and the lease."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import structlog
from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import TaskState
from orderapp.errors import LeaseLost
from orderapp.models import Order, Task, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.saga.order_documents import load_document, load_documents
from orderapp.systems.runs import PlacedOrder, Run, in_utc

ORDERS_AT_A_TIME = 100  # a few queries for each hundred, and little memory
# How long a run of many parts goes on before it lets others have the thread: as long as a message of several tasks.
GOES_ON_SECONDS = 60.0


class HeldRun(Run):
    """A run of a job under its lease.

    Args:
        task: The claimed task, with its arguments.
        lease_seconds: What each renewal gives.
        lease_ends_at: When the lease ends, on this process's monotonic clock.
        settings: The application's settings.
        may_go_on: Whether the worker may begin more work.
    """

    def __init__(
        self,
        task: Task,
        lease_seconds: float,
        lease_ends_at: float,
        settings: Settings,
        may_go_on: Callable[[], bool],
    ) -> None:
        self.task = task
        self.arguments = json.loads(task.arguments or "{}")
        self.key, self.scheduled_at, self.attempt, self.task_id = task.key, task.scheduled_at, task.attempts, task.id
        self.env = settings.jobs.env
        self.log = structlog.get_logger().bind(job=task.system, task=task.id, attempt=task.claims)
        self._lease_seconds, self._lease_ends_at = lease_seconds, lease_ends_at
        self._may_go_on, self._ends_at = may_go_on, time.monotonic() + GOES_ON_SECONDS
        self._here = threading.local()  # a job may have threads of its own
        self._lock, self._lost = threading.Lock(), False

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        # The inner one would wait for the outer one's lock on the task, and the outer one for the inner one's end.
        if getattr(self._here, "in_transaction", False):
            raise RuntimeError(
                "A transaction of this run is open here already: use its session. It renews the lease too."
            )
        self._here.in_transaction = True
        try:
            with self._committing() as session:
                yield session
        finally:
            self._here.in_transaction = False

    @contextmanager
    def _committing(self) -> Iterator[Session]:
        self._refuse_if_lost()
        with writing() as session:
            began_at = time.monotonic()
            task = self.task
            ours = (Task.id == task.id, Task.fencing == task.fencing, Task.state == TaskState.RUNNING.value)
            # A lease that has run out can't be renewed: whoever counts on its end may be at work already.
            unexpired = Task.lease_until > db_now()
            # The row stays locked until the commit, so nobody can take the task in between.
            renewing = update(Task).where(*ours, unexpired).values(lease_until=db_now(self._lease_seconds))
            renewed = session.connection().execute(renewing).rowcount
            with self._lock:
                self._lost = self._lost or not renewed
            self._refuse_if_lost()
            yield session
            self._refuse_if_lost()  # it was given up meanwhile
        # Only now, because one that is rolled back has renewed nothing.
        with self._lock:
            self._lease_ends_at = began_at + self._lease_seconds

    def _refuse_if_lost(self) -> None:
        if self._lost:
            raise LeaseLost(f"Task {self.task_id} of {self.task.system}: its lease was lost. Nothing was written.")

    def abandon_if_over(self) -> bool:
        """Give the run up if its lease is over; return whether it was. From then on the job can write nothing."""
        with self._lock:
            self._lost = self._lost or self.seconds_left() <= 0
            return self._lost

    def transaction(self) -> AbstractContextManager[Session]:
        """See `Run.transaction`."""
        return self._transaction()

    def reading(self) -> AbstractContextManager[Session]:
        """See `Run.reading`."""
        return reading()

    def orders(self, since: dt.datetime, until: dt.datetime) -> Iterator[PlacedOrder]:
        """See `Run.orders`."""
        return self._orders(in_utc("orders: since", since), in_utc("orders: until", until))

    def _orders(self, since: dt.datetime, until: dt.datetime) -> Iterator[PlacedOrder]:
        after: tuple[Any, ...] = ()
        while True:
            with reading() as session:
                page = session.execute(
                    select(Order.created_at, Order.id, Order.state)
                    .where(Order.created_at >= since, Order.created_at < until, *after)
                    .order_by(Order.created_at, Order.id)
                    .limit(ORDERS_AT_A_TIME)
                ).all()
                documents = load_documents(session, [row.id for row in page])
            yield from (
                PlacedOrder(documents[row.id], row.state, row.created_at) for row in page if row.id in documents
            )
            if len(page) < ORDERS_AT_A_TIME:
                return
            after = (tuple_(Order.created_at, Order.id) > (page[-1].created_at, page[-1].id),)

    def order(self, number: str) -> PlacedOrder | None:
        """See `Run.order`."""
        with reading() as session:
            found = select(Order.id, Order.state, Order.created_at).where(Order.number == number)
            row = session.execute(found).one_or_none()
            return PlacedOrder(load_document(session, row.id), row.state, row.created_at) if row else None

    def renew(self) -> None:
        """See `Run.renew`. Transaction: one, committed here."""
        with self._transaction():
            pass

    def goes_on(self) -> bool:
        """See `Run.goes_on`."""
        return not self._lost and self._may_go_on() and time.monotonic() < self._ends_at

    def seconds_left(self) -> float:
        """Return how much of the lease is left."""
        return self._lease_ends_at - time.monotonic()
