"""Tells the page of a customer who waits which step of a placement is being called. The order doesn't wait for it.

A thread beside the orders writes the step's position, and only where a call takes a while: nothing is written for most
orders. Whatever goes wrong here, the page only says less.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from flask import Flask, current_app
from sqlalchemy import update

from orderapp.domain.states import PlacementState
from orderapp.errors import DatabaseUnavailable
from orderapp.models import Placement
from orderapp.services.db.transactions import writing

log = structlog.get_logger()

EXTENSION = "orderapp.under_way"
# A call that takes longer is worth a word. The page first asks after a second, so it finds the word then.
PATIENCE_SECONDS = 0.6
# How often the thread looks for such calls; each time it looks at a few numbers in memory.
PACE_SECONDS = 0.2


@dataclass(slots=True)
class _Call:
    position: int
    began_at: float  # on this process's monotonic clock


@dataclass(slots=True)
class _UnderWay:
    """The calls of this process's placements, by the placement's id."""

    calls: dict[int, _Call] = field(default_factory=dict)
    any: threading.Event = field(default_factory=threading.Event)


def start_telling_steps(app: Flask) -> None:
    """Start the thread that writes. Call once in each process that places orders of the shop, after any fork."""
    under_way = app.extensions[EXTENSION] = _UnderWay()
    threading.Thread(target=_tell_until_the_end, args=(app, under_way), name="telling", daemon=True).start()


@contextmanager
def telling_steps(placement_id: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to say the position of the step that is called next; nothing is said after the block.

    Doesn't block; does nothing if the thread wasn't started.
    """
    under_way: _UnderWay | None = current_app.extensions.get(EXTENSION)
    if under_way is None:
        yield lambda _position: None
        return

    def call(position: int) -> None:
        under_way.calls[placement_id] = _Call(position, time.monotonic())
        under_way.any.set()

    try:
        yield call
    finally:
        under_way.calls.pop(placement_id, None)


def _tell_until_the_end(app: Flask, under_way: _UnderWay) -> None:
    told: dict[int, int] = {}
    while under_way.any.wait():
        under_way.any.clear()
        calls = dict(under_way.calls)  # a copy: orders come and go meanwhile
        told = {placement: position for placement, position in told.items() if placement in calls}
        for placement, call in calls.items():
            is_slow = time.monotonic() - call.began_at > PATIENCE_SECONDS
            if is_slow and told.get(placement) != call.position and _told(app, placement, call.position):
                told[placement] = call.position
        if calls:
            under_way.any.set()  # look again
        time.sleep(PACE_SECONDS)


def _told(app: Flask, placement_id: int, position: int) -> bool:
    here = (Placement.id == placement_id, Placement.state == PlacementState.PLACING.value)
    try:
        with app.app_context(), writing() as session:
            session.execute(update(Placement).where(*here).values(called_position=position))
    except DatabaseUnavailable as error:
        log.warning("step.not_told", placement=placement_id, cause=type(error.__cause__).__name__)
        return False
    return True
