"""Reconciliation: asks the systems what is in place under our keys, and compares it with our rows.

An ended order must have each effect in place exactly once, or none at all. This checks it.

runs                 the run's row: claimed, resumed, finished
expected             what our rows say
compare              asks and judges; no transaction is open
reconcile            goes from order to order; saves mismatches and progress in one transaction
mismatches, proofs   record what was found
corrections          what staff do about it (in the back office)
"""

from __future__ import annotations

import datetime as dt
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, CompoundSelect, select, tuple_, union
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.verbs import Verb
from orderapp.errors import NotFound
from orderapp.models import ManualResolution, Mismatch, Order, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.reconciliation.compare import Compared, Comparing, systems_out_of_use
from orderapp.services.reconciliation.expected import ended_orders
from orderapp.services.reconciliation.mismatches import UNRESOLVED, Difference, differences, open_in, record, seen_since
from orderapp.services.reconciliation.runs import Run, advance, take, take_nightly
from orderapp.services.resilience.rate_limiter import at_its_rate
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.services.saga.compensation import lock_order
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.services.saga.order_documents import load_documents
from orderapp.systems.registry import Systems

log = structlog.get_logger()

BATCH = 100  # orders read at a time: a few queries for each batch, and little memory
# How often results and progress are saved, and so the most work that a crash loses.
SAVE_SECONDS = 5.0
# A run counts as dead this long after it was last saved, plus the time of the longest call.
LEASE_SECONDS = 20.0
# The timer's run asks at most twenty questions a second, one at a time. Beside the orders of a busy shop that is little
# load, and a night is enough for a hundred thousand orders.
NIGHTLY_PAUSE_SECONDS = 0.05

Place = tuple[dt.datetime, uuid.UUID]  # an order's position among all: when it was placed, its id


class Listener(Protocol):
    """Receives the progress of a reconciliation."""

    def begun(self, run: Run) -> None:
        """A run begins or continues."""

    def found(self, difference: Difference) -> None:
        """An effect has a mismatch or could not be checked."""

    def reached(self, run: Run) -> None:
        """The results so far are saved."""


def reconcile(settings: Settings, since_seconds: float, listener: Listener, stop: threading.Event) -> Run:
    """Compare every order of a period with what the systems say, and every older order with an open mismatch.

    Record mismatches; change nothing elsewhere. If a run over at least this period died, continue it.

    Transaction: one every few seconds, with results and progress; none is open while a system is asked.
    Idempotent because: comparing an order again increases its mismatch's count and adds no second row.
    If we die here: the next reconciliation, or the timer, continues from the last saved progress.

    Args:
        settings: The systems.
        since_seconds: How far back the period reaches.
        listener: Receives each difference once it is saved.
        stop: Ends the run after the current order; it can be continued later.

    Raises:
        WrongState: another reconciliation is running; nothing was done.
        LeaseLost: another process continues this run; the results reported so far are valid.
        DatabaseUnavailable: the results reported so far are valid.
    """
    run = take(since_seconds, _lease_seconds(settings))
    listener.begun(run)
    if run.resumed:
        with reading() as session:
            earlier = seen_since(session, run.started_at)
        for difference in earlier:
            listener.found(difference)
    return _Going(run, settings, listener, stop).on()


def reconcile_nightly(settings: Settings, listener: Listener, stop: threading.Event) -> Run | None:
    """Do the timer's run if it is due, or continue one that died; return None if there is nothing to do.

    Transaction, Idempotent because, If we die here, Raises: as for `reconcile`.
    """
    run = take_nightly(settings.reconcile_interval_seconds, _lease_seconds(settings))
    if run is None:
        return None
    listener.begun(run)
    return _Going(run, settings, listener, stop, NIGHTLY_PAUSE_SECONDS).on()


def _lease_seconds(settings: Settings) -> float:
    asking = [system.call_seconds + system.limits.longest_wait_seconds for system in settings.systems.values()]
    return LEASE_SECONDS + max(asking, default=0.0)


class _Going:
    """Continues a run until it ends or must stop."""

    def __init__(
        self, run: Run, settings: Settings, listener: Listener, stop: threading.Event, pause_seconds: float = 0.0
    ) -> None:
        self._run = run
        self._settings = settings
        self._listener = listener
        self._stop = stop
        self._pause_seconds = pause_seconds
        # When the run was last saved.
        self._saved_at = time.monotonic()
        self._compared: list[Compared] = []
        self._in_progress = 0

    def on(self) -> Run:
        while not self._stop.is_set():
            with reading() as session:
                batch = _next_orders(session, self._run, self._settings.systems)
            if not batch:
                self._save(finished=True)
                return self._run
            self._compare(batch)
            self._save()
        self._save(hold=False)
        return self._run

    def _compare(self, batch: Sequence[Place]) -> None:
        order_ids = [order_id for _, order_id in batch]
        with reading() as session:
            ended = {order.id: order for order in ended_orders(session, order_ids)}
            documents = load_documents(session, list(ended))
            out_of_use = systems_out_of_use(session)
            now = session.execute(select(db_now())).scalar_one()
        # Questions count towards an agreed rate like all other calls.
        paced = {name: at_its_rate(system) for name, system in self._settings.systems.items()}
        comparing = Comparing(paced, out_of_use, now, self._before_each)
        for place in batch:
            order, document = ended.get(place[1]), documents.get(place[1])
            # An order without a document was archived just now.
            if order is None or document is None:
                self._in_progress += 1
            else:
                compared = None
                with skipping(Kind.ORDER, order.number):
                    compared = comparing.compare(order, document)
                if compared is None:
                    self._in_progress += 1
                else:
                    self._compared.append(compared)
            self._run.reached = place
            if self._stop.is_set():
                return

    def _before_each(self) -> None:
        """Keep the pace, and renew the lease even during an order with many slow answers."""
        if self._pause_seconds:
            self._stop.wait(self._pause_seconds)
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()

    def _save(self, *, hold: bool = True, finished: bool = False) -> None:
        """Save results and progress, all or nothing; then report them to the listener.

        If that raises, save each order on its own, and skip the orders that raise.
        """
        compared, self._compared = self._compared, []
        if len(compared) <= 1:
            self._save_some(compared, hold=hold, finished=finished)
            return
        saved = False
        with skipping(Kind.LOOP, "reconciliation"):
            self._save_some(compared, hold=hold, finished=finished)
            saved = True
        if saved:
            return
        for one in compared:
            saved = False
            with skipping(Kind.ORDER, one.order.number):
                self._save_some([one], hold=True, finished=False)
                saved = True
            self._in_progress += not saved
        self._save_some([], hold=hold, finished=finished)

    def _save_some(self, compared: list[Compared], *, hold: bool, finished: bool) -> None:
        with writing() as session:
            same = _unchanged(session, compared)
            counts = replace(self._run.counts)
            counts.add(same, self._in_progress + len(compared) - len(same))
            run = replace(self._run, counts=counts, finished=finished)
            lease_seconds = _lease_seconds(self._settings) if hold and not finished else None
            advance(session, run, lease_seconds, finished=finished)
            record(session, same, self._settings.systems)
        self._run = run
        self._saved_at = time.monotonic()
        self._in_progress = 0
        for difference in differences(same):
            self._listener.found(difference)
        self._listener.reached(run)


def _unchanged(session: Session, compared: Sequence[Compared]) -> list[Compared]:
    """Return the orders without those that differ because they changed meanwhile: a retry, cancellation or correction.

    The next reconciliation compares them again, except archived ones.

    Transaction: within the caller's. It locks the differing orders, so that they can't change until its end, and those
        that may turn out to be consistent again.
    """
    differing = sorted(one.order.id for one in compared if one.differs)
    for order_id in sorted({*differing, *open_in(session, [one.order.id for one in compared])}):
        with suppress(NotFound):
            lock_order(session, order_id)
    now = {order.id: order for order in ended_orders(session, differing)} if differing else {}
    return [one for one in compared if not one.differs or now.get(one.order.id) == one.order]


def _next_orders(session: Session, run: Run, systems: Systems) -> list[Place]:
    """Return the next orders to compare: first older ones with an open question, then those of the period."""
    begun = run.reached is not None and run.reached[0] >= run.since_at
    if not begun and (older := _page(session, run, Order.created_at < run.since_at, Order.id.in_(_unproven(systems)))):
        return older
    return _page(session, run, Order.created_at >= run.since_at, Order.created_at <= run.taken_at)


def _page(session: Session, run: Run, *where: ColumnElement[bool]) -> list[Place]:
    after = (tuple_(Order.created_at, Order.id) > run.reached,) if run.reached else ()
    statement = select(Order.created_at, Order.id).where(*where, *after).order_by(Order.created_at, Order.id)
    return [(created_at, order_id) for created_at, order_id in session.execute(statement.limit(BATCH))]


def _unproven(systems: Systems) -> CompoundSelect[uuid.UUID]:
    """Select the orders with an unresolved mismatch, or with a manual resolution that an answer may prove."""
    askable = [name for name, system in systems.items() if system.can(Verb.ASK)]
    said = select(ManualResolution.order_id).where(UNPROVEN, ManualResolution.system.in_(askable))
    return union(select(Mismatch.order_id).where(UNRESOLVED), said)
