"""The relay: sends hints for due task rows to the broker, and repeats each hint that the broker didn't confirm."""

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
from orderapp.services.engine.outbox import BATCH, Hint, due_hints, mark_published
from orderapp.services.engine.relay_wakeup import Listener
from orderapp.services.resilience.skipped_items import Kind, skipping
from tasks.queues import hint_message

log = structlog.get_logger()

# How long the relay pauses after it sent hints: workers have time to claim these tasks, and tasks that become due
# meanwhile share messages. Under load a task waits half of this in the median.
GATHER_SECONDS = 0.1
# How often the relay looks if nobody wakes it: a task that becomes due by time (a retry) waits half of this on average,
# and a look costs half a millisecond. SQLite can't wake it, so there it looks every GATHER_SECONDS.
POLL_SECONDS = 0.25
# Tasks that are due together share a message: a message with its confirmation and acknowledgement costs as much as a
# task's call. A worker runs them one after the other, so with more they would wait for each other. If a slow system
# holds them up, the relay sends them again after some seconds, to a free worker.
TASKS_PER_MESSAGE = 20
# After a failure of the database or the broker: short enough for a fast recovery, long enough not to fill the log.
PAUSE_SECONDS = 1.0
# The errors that mean "the broker can't be reached", not "the message is wrong".
LOST = (dramatiq.BrokerError, AMQPError, OSError)


def relay_until(stop: threading.Event, broker: dramatiq.Broker, app: Flask, settings: Settings) -> None:
    """Publish hints for due rows until stopped. Survive the loss of the broker and of the database.

    Idempotent because: a second hint for a task finds nothing to do; any number of relays may run.
    If we die here: unmarked hints are published again.
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
                elif published < BATCH:  # otherwise a system may have more due tasks, so don't wait
                    stop.wait(GATHER_SECONDS)
            except (DatabaseUnavailable, *LOST) as error:
                if not failing:
                    log.warning("relay.failing", error=type(error).__name__)
                failing = True
                stop.wait(PAUSE_SECONDS)
        listener.close()


def relay_once(broker: dramatiq.Broker, settings: Settings) -> int:
    """Publish hints for all due tasks, and mark the rows of each message that the broker confirms; return how many."""
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
    """Yield groups of hints of one system, one group for each message."""
    of_system: dict[str, list[Hint]] = {}
    for hint in hints:
        of_system.setdefault(hint.system, []).append(hint)
    for group in of_system.values():
        for start in range(0, len(group), TASKS_PER_MESSAGE):
            yield group[start : start + TASKS_PER_MESSAGE]


class RelayInWorker(dramatiq.Middleware):
    """Runs a relay in each worker process of the in-process broker, whose messages exist only in that process."""

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
        """Stop the relay."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=5)

    def _relay(self, broker: dramatiq.Broker) -> None:
        try:
            relay_until(self._stop, broker, self._app, self._settings)
        finally:
            if not self._stop.is_set():
                # The relay failed, and without it this process would wait forever for messages.
                os.kill(os.getpid(), signal.SIGTERM)
