"""Reconciliation: asks the systems what is there under our keys, and compares it with our rows.

A settled order has each effect in place exactly once, or nothing anywhere. Here that is not believed but looked at.

reconciliation_runs   the run's row: claimed, resumed, finished
beliefs               what our rows say
comparing             asks and judges, no transaction open
here                  order after order; what was found and how far the run is, in one transaction
drifts, proving       what was found, kept
repairing             what staff do about it
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
from orderapp.models import Drift, Order, Override, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.reconciliation.compare import Compared, Comparing, systems_out_of_use
from orderapp.services.reconciliation.expected import settled_orders
from orderapp.services.reconciliation.mismatches import UNSETTLED, Difference, differences, record, seen_since
from orderapp.services.reconciliation.runs import Run, advance, take, take_nightly
from orderapp.services.resilience.rate_limiter import at_its_rate
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.services.saga.compensation import lock_order
from orderapp.services.saga.order_documents import load_documents
from orderapp.services.saga.resolutions import UNPROVEN
from orderapp.systems.registry import Systems

log = structlog.get_logger()

BATCH = 100  # orders read at a time: some queries for each batch, and little to remember
# What was found and how far the run is are written down this often: what a death costs.
SAVE_SECONDS = 5.0
# A run counts as dead this long after it was last written down, on top of the longest call.
LEASE_SECONDS = 20.0
# The timer's run asks at most twenty questions a second, one at a time: next to the orders of a busy shop no system
# notices, and a night is enough for a hundred thousand orders.
NIGHTLY_PAUSE_SECONDS = 0.05

Place = tuple[dt.datetime, uuid.UUID]  # where an order stands among all: when it was placed, its id


class Listener(Protocol):
    """Is told how a reconciliation goes."""

    def begun(self, run: Run) -> None:
        """A run begins, or goes on."""

    def found(self, difference: Difference) -> None:
        """An effect isn't as our rows say, or could not be checked."""

    def reached(self, run: Run) -> None:
        """What was found so far is written down."""


def reconcile(settings: Settings, since_seconds: float, listener: Listener, stop: threading.Event) -> Run:
    """Compare every order of a period with what the systems say, and every older one that once differed.

    Keeps what differs; changes nothing elsewhere. A run that died over at least this period is gone on with.

    Transaction: one every few seconds, with what was found and how far the run is; none is open while asking.
    Idempotent because: an order that is looked at again has its drift counted up, not doubled.
    If we die here: the next reconciliation, or the timer, goes on where this one last wrote down how far it was.

    Args:
        settings: The systems.
        since_seconds: How far back the period reaches.
        listener: Is told each difference once it is written down.
        stop: Ends the run after the order it is at; it can be gone on with.

    Raises:
        WrongState: a reconciliation is under way; nothing was done.
        LeaseLost: another process goes on with this run; what was told so far holds.
        DatabaseUnavailable: the same.

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
    """Do the timer's run if it is due, or go on with one that died; None where there is nothing to do.

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
    """Goes on with a run until it has ended, or is told to stop."""

    def __init__(
        self, run: Run, settings: Settings, listener: Listener, stop: threading.Event, pause_seconds: float = 0.0
    ) -> None:
        self._run = run
        self._settings = settings
        self._listener = listener
        self._stop = stop
        self._pause_seconds = pause_seconds
        # Since it was last written down.
        self._saved_at = time.monotonic()
        self._compared: list[Compared] = []
        self._unsettled = 0

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
            settled = {order.id: order for order in settled_orders(session, order_ids)}
            documents = load_documents(session, list(settled))
            out_of_use = systems_out_of_use(session)
            now = session.execute(select(db_now())).scalar_one()
        # Its questions count like everybody's calls, where a rate is agreed.
        paced = {name: at_its_rate(system) for name, system in self._settings.systems.items()}
        comparing = Comparing(paced, out_of_use, now, self._before_each)
        for place in batch:
            order, document = settled.get(place[1]), documents.get(place[1])
            # One without a document was archived a moment ago.
            if order is None or document is None:
                self._unsettled += 1
            else:
                compared = None
                with skipping(Kind.ORDER, order.number):
                    compared = comparing.compare(order, document)
                if compared is None:
                    self._unsettled += 1
                else:
                    self._compared.append(compared)
            self._run.reached = place
            if self._stop.is_set():
                return

    def _before_each(self) -> None:
        """Keep the pace; and the lease, also over an order of many slow answers."""
        if self._pause_seconds:
            self._stop.wait(self._pause_seconds)
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()

    def _save(self, *, hold: bool = True, finished: bool = False) -> None:
        """Write down what was found and how far the run is, all or nothing; then tell it.

        Should that raise, each order is written down on its own, and those that raise are passed over.
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
            self._unsettled += not saved
        self._save_some([], hold=hold, finished=finished)

    def _save_some(self, compared: list[Compared], *, hold: bool, finished: bool) -> None:
        with writing() as session:
            same = _unchanged(session, compared)
            counts = replace(self._run.counts)
            counts.add(same, self._unsettled + len(compared) - len(same))
            run = replace(self._run, counts=counts, finished=finished)
            lease_seconds = _lease_seconds(self._settings) if hold and not finished else None
            advance(session, run, lease_seconds, finished=finished)
            record(session, same, self._settings.systems)
        self._run = run
        self._saved_at = time.monotonic()
        self._unsettled = 0
        for difference in differences(same):
            self._listener.found(difference)
        self._listener.reached(run)


def _unchanged(session: Session, compared: Sequence[Compared]) -> list[Compared]:
    """Return the orders without those that differ because they went on meanwhile: a retry, a cancellation, a repair.

    The next reconciliation sees where they arrived; one that was archived has nowhere to arrive.

    Transaction: within the caller's, which keeps the others from going on.
    """
    differing = sorted(one.order.id for one in compared if one.differs)
    for order_id in differing:
        with suppress(NotFound):
            lock_order(session, order_id)
    now = {order.id: order for order in settled_orders(session, differing)} if differing else {}
    return [one for one in compared if not one.differs or now.get(one.order.id) == one.order]


def _next_orders(session: Session, run: Run, systems: Systems) -> list[Place]:
    """Return the next orders to look at: first older ones that aren't settled with the systems, then the period's."""
    begun = run.reached is not None and run.reached[0] >= run.since_at
    if not begun and (older := _page(session, run, Order.created_at < run.since_at, Order.id.in_(_unproven(systems)))):
        return older
    return _page(session, run, Order.created_at >= run.since_at, Order.created_at <= run.taken_at)


def _page(session: Session, run: Run, *where: ColumnElement[bool]) -> list[Place]:
    after = (tuple_(Order.created_at, Order.id) > run.reached,) if run.reached else ()
    statement = select(Order.created_at, Order.id).where(*where, *after).order_by(Order.created_at, Order.id)
    return [(created_at, order_id) for created_at, order_id in session.execute(statement.limit(BATCH))]


def _unproven(systems: Systems) -> CompoundSelect[uuid.UUID]:
    """Select the orders with an unsettled drift, or with a word of staff's that asking may prove."""
    askable = [name for name, system in systems.items() if system.can(Verb.ASK)]
    said = select(Override.order_id).where(UNPROVEN, Override.system.in_(askable))
    return union(select(Drift.order_id).where(UNSETTLED), said)
