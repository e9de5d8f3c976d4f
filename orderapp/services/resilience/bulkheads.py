"""Bulkheads: limit how many threads of this process may wait for one slow system with orders, and with previews.

The other threads go on with pages and with orders that don't need it. Tasks have their own slots (`tasks.actors`).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from orderapp.domain.mails import Mail
from orderapp.domain.orders import Effect, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report
from orderapp.domain.verbs import Verb
from orderapp.systems.base import System

# Short, because waiting for a slot blocks a thread too. A busy system frees a slot in this time, a slow one doesn't.
WAIT_SECONDS = 0.25
# Previews have slots of their own, fewer than orders: however many there are, orders keep all of theirs. Two, because
# an answer takes a fraction of a second, and a preview can be left out.
PREVIEW_SLOTS = 2
BUSY = Answer(
    Outcome.NOT_SENT,
    "busy",
    "as many orders as may are waiting for its answer already; nothing was sent",
    called=False,
)


def behind_bulkhead(system: System) -> System:
    """Return the system behind its bulkhead: without a free slot in WAIT_SECONDS it answers BUSY and sends nothing."""
    number = system.limits.order_slots
    return _limited(system, _slots(system.name, "orders", number)) if number else system


def behind_preview_bulkhead(system: System) -> System:
    """Return the system behind the bulkhead for previews, which takes no slot of orders; otherwise as above."""
    number = max(1, min(PREVIEW_SLOTS, (system.limits.order_slots or PREVIEW_SLOTS + 1) - 1))
    return _limited(system, _slots(system.name, "previews", number))


def _limited(system: System, slots: threading.BoundedSemaphore) -> System:
    act, ask, quote, stock, write = system.act, system.ask, system.quote, system.stock, system.write

    def limited_act(effect: Effect) -> Answer:
        with _slot(slots) as got:
            return act(effect) if got else BUSY

    def limited_ask(effect: Effect) -> Report:
        with _slot(slots) as got:
            return ask(effect) if got else Report(Finding.UNCLEAR, BUSY)

    def limited_quote(request: OrderRequest) -> Quote | None:
        with _slot(slots) as got:
            return quote(request) if got else Quote(BUSY)

    def limited_stock(skus: Sequence[str]) -> Mapping[str, int] | None:
        with _slot(slots) as got:
            return stock(skus) if got else None

    def limited_write(mail: Mail) -> Answer:
        with _slot(slots) as got:
            return write(mail) if got else BUSY

    limited = copy.copy(system)
    limited.call_seconds += WAIT_SECONDS
    calls = {Verb.ACT: limited_act, Verb.ASK: limited_ask, Verb.QUOTE: limited_quote, Verb.STOCK: limited_stock}
    for name, call in calls.items():
        setattr(limited, name, call)
    vars(limited)["write"] = limited_write
    return limited


@contextmanager
def _slot(slots: threading.BoundedSemaphore) -> Iterator[bool]:
    got = slots.acquire(timeout=WAIT_SECONDS)
    try:
        yield got
    finally:
        if got:
            slots.release()


@cache
def _slots(_system: str, _users: str, number: int) -> threading.BoundedSemaphore:
    """Return the slots of a system for these users, shared by all threads of the process."""
    return threading.BoundedSemaphore(number)
