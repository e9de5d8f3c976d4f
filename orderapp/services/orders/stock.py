"""What is left of products, as pages tell it before an order. Nothing is decided by it, and no page waits for it.

The system that keeps the stock is asked by one thread of a process at a time, every few seconds at the most, and only
where it works: for all products that pages have shown meanwhile. What it said is remembered in the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flask import current_app

from orderapp.config import Settings
from orderapp.domain.verbs import Verb
from orderapp.services.db.transactions import reading
from orderapp.services.resilience.admission import admit_preview
from orderapp.services.resilience.system_status import read_standing

EXTENSION = "orderapp.stock"
# Between two questions of a process: orders change the stock all the time, and nobody reads faster.
PAUSE_SECONDS = 5.0
# After a question without an answer: a system in trouble isn't asked for something that can be left out.
PAUSE_AFTER_FAILURE_SECONDS = 30.0
# Older than that, what is known is no longer told.
TOLD_SECONDS = 30.0
MOST_AT_ONCE = 100  # SKUs in one question: about four pages of products


@dataclass(slots=True)
class _Known:
    """What a process knows; times are on its monotonic clock."""

    numbers: dict[str, tuple[int, float]] = field(default_factory=dict)  # how many by SKU, and as of when
    wanted: dict[str, None] = field(default_factory=dict)  # the SKUs to ask for, in this order
    ask_from: float = 0.0
    asking: threading.Lock = field(default_factory=threading.Lock)


def known_of(skus: Iterable[str]) -> dict[str, int]:
    """Return how many are left of those of these products of which that is known; nobody is asked."""
    numbers, now = _known().numbers, time.monotonic()
    found = {sku: numbers[sku] for sku in skus if sku in numbers}
    return {sku: number for sku, (number, at) in found.items() if now - at < TOLD_SECONDS}


def left_of(skus: Iterable[str], settings: Settings) -> dict[str, int]:
    """Return how many are left of some products; those of which that isn't known are left out.

    Asks, if it is time to. Another thread that asks at the moment isn't waited for.

    Transaction: as for a preview of what an order costs.

    Args:
        skus: Products that are for sale.
        settings: The external systems.
    """
    known, wanted = _known(), list(skus)
    if known.asking.acquire(blocking=False):
        try:
            _ask(known, wanted, settings)
        finally:
            known.asking.release()
    return known_of(wanted)


def _ask(known: _Known, skus: list[str], settings: Settings) -> None:
    now = time.monotonic()
    old = [sku for sku in skus if now - known.numbers.get(sku, (0, float("-inf")))[1] >= PAUSE_SECONDS]
    known.wanted.update(dict.fromkeys(old))
    if not known.wanted or now < known.ask_from:
        return
    # Those of this page first; the others are of pages that came between two questions.
    asked = list(dict.fromkeys([*old, *known.wanted]))[:MOST_AT_ONCE]
    answer = _answer(asked, settings)
    known.wanted.clear()
    now = time.monotonic()
    known.ask_from = now + (PAUSE_SECONDS if answer is not None else PAUSE_AFTER_FAILURE_SECONDS)
    fresh = {sku: (number, now) for sku, number in (answer or {}).items()}
    kept = {sku: one for sku, one in known.numbers.items() if now - one[1] < TOLD_SECONDS}
    known.numbers = kept | fresh  # in one go: other threads read it


def _answer(skus: list[str], settings: Settings) -> Mapping[str, int] | None:
    keepers = [system for system in settings.systems.values() if system.can(Verb.STOCK) and system.configured]
    if not keepers:
        return None
    keeper = keepers[0]
    with reading() as session:
        standing = read_standing(session)
    admission = admit_preview(standing, [keeper])
    return admission.of(keeper).stock(skus) if admission else None


def _known() -> _Known:
    known: _Known = current_app.extensions.setdefault(EXTENSION, _Known())
    return known
