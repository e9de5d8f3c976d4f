"""The relay: tells the broker of due task rows, and never forgets one that the broker didn't confirm."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import dramatiq
import structlog
from flask import Flask
from pika.exceptions import AMQPError

from orderapp.config import Settings
from orderapp.errors import DatabaseUnavailable
from orderapp.services.engine.notify import Listener
from orderapp.services.engine.outbox import BATCH, Hint, due_hints, mark_published
from orderapp.services.resilience.skipped_items import Kind, skipping
from tasks.queues import hint_message

log = structlog.get_logger()

# How long the relay lies still after it has told of something: what it told of has time to be claimed, and what becomes
# due meanwhile goes into common messages. Half of this is what a task waits for in the median while there are many.
GATHER_SECONDS = 0.1
# How often it looks where nobody wakes it: what becomes due by itself (a repetition) is noticed after half of this, and
# a look costs half a millisecond. SQLite has no way to wake it, so there it looks as often as it may.
POLL_SECONDS = 0.25
# What becomes due together goes into one message: it, its confirmation and its acknowledgement cost as much as a task's
# call. A worker runs them one after the other, so more of them would wait for each other; what a slow system holds up
# is told of again after some seconds, to whoever has nothing to do.
TASKS_PER_MESSAGE = 20
# After a failure of the database or the broker: soon enough to be unnoticed, seldom enough not to fill the log.
PAUSE_SECONDS = 1.0
# What means that the broker can't be reached, and not that something is wrong with what it is told.
LOST = (dramatiq.BrokerError, AMQPError, OSError)


def relay_until(stop: threading.Event, broker: dramatiq.Broker, app: Flask, settings: Settings) -> None:
    """Publish due rows until told to stop. Survives the loss of the broker and of the database.

    Idempotent because: a hint published twice finds nothing to do the second time; any number of relays may run.
    If we die here: what was not marked is published again.
    """
    failing, listener = False, Listener()
    with app.app_context():
        while not stop.is_set():
            try:
                published = None
                with skipping(Kind.LOOP, "relay", passing=LOST):
                    published = relay_once(broker, settings)
                if failing:
                    log.info("relay.recovered")
                failing = False
                if published is None:
                    stop.wait(PAUSE_SECONDS)
                elif published == 0:
                    listener.wait(stop, POLL_SECONDS, GATHER_SECONDS)
                elif published < BATCH:  # else a system may have more due: at once
                    stop.wait(GATHER_SECONDS)
            except (DatabaseUnavailable, *LOST) as error:
                if not failing:
                    log.warning("relay.failing", error=type(error).__name__)
                failing = True
                stop.wait(PAUSE_SECONDS)
        listener.close()


def relay_once(broker: dramatiq.Broker, settings: Settings) -> int:
    """Publish what is due now, each message confirmed by the broker before its rows are marked; return how many."""
    confirmed: list[Hint] = []
    try:
        for hints in _in_messages(due_hints(settings)):
            broker.enqueue(hint_message([hint.task_id for hint in hints], hints[0].system))
            confirmed.extend(hints)
    finally:
        if confirmed:
            mark_published(confirmed)
    return len(confirmed)


def _in_messages(hints: list[Hint]) -> Iterator[list[Hint]]:
    """Yield the hints of each system in groups, one for each message."""
    of_system: dict[str, list[Hint]] = {}
    for hint in hints:
        of_system.setdefault(hint.system, []).append(hint)
    for group in of_system.values():
        for start in range(0, len(group), TASKS_PER_MESSAGE):
            yield group[start : start + TASKS_PER_MESSAGE]


class RelayInWorker(dramatiq.Middleware):
    """Runs a relay beside the in-process broker, in each process that has workers: its messages live only there."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Start the relay."""
        self._thread = threading.Thread(target=self._relay, args=(broker,), name="relay", daemon=True)
        self._thread.start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Stop it."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _relay(self, broker: dramatiq.Broker) -> None:
        try:
            relay_until(self._stop, broker, self._app, self._settings)
        finally:
            if not self._stop.is_set():
                # It failed, and without it this process would wait for messages that never come.
                os.kill(os.getpid(), signal.SIGTERM)
