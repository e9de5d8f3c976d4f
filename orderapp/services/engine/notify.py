"""Wakes the relay as soon as something is due: NOTIFY by the web process, LISTEN by the relay (PostgreSQL only).

No more than a hint, like the relay's own: what nobody has heard of is found at its next look.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog
from flask import Flask, current_app
from psycopg import Error as DriverError
from sqlalchemy import Connection, func, select, true

from orderapp.errors import DatabaseUnavailable
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.db.transactions import give_up_connections, listening_connection, statements_nest

log = structlog.get_logger()

CHANNEL = "orderapp_due"
# All transactions that notify take turns, so orders leave it to one thread of their process, and what they commit
# meanwhile goes with its next word. Nobody notices a fiftieth of a second.
PAUSE_SECONDS = 0.02
EXTENSION = "orderapp.due"
# The word need not survive a power cut, so it waits for no disk.
_TELL = ReadyStatement(select(func.set_config("synchronous_commit", "off", true()), func.pg_notify(CHANNEL, "")))


def start_telling(app: Flask) -> None:
    """Start the thread that tells the relay; once, in a process that places orders, after any fork."""
    with app.app_context():
        if not statements_nest():
            return
    due = app.extensions[EXTENSION] = threading.Event()
    threading.Thread(target=_tell_until_the_end, args=(app, due), name="waking", daemon=True).start()


def wake_relay() -> None:
    """Say that something due was committed. Takes no time; without the thread nobody is told."""
    due: threading.Event | None = current_app.extensions.get(EXTENSION)
    if due is not None:
        due.set()


def _tell_until_the_end(app: Flask, due: threading.Event) -> None:
    while due.wait():
        due.clear()
        try:
            with app.app_context():
                tell()
        except DatabaseUnavailable as error:
            log.warning("relay.not_woken", cause=type(error.__cause__).__name__)
        time.sleep(PAUSE_SECONDS)


def tell() -> None:
    """Wake whoever listens. Transaction: one, of one statement that changes nothing. Raises DatabaseUnavailable."""
    _TELL.run({})


class Listener:
    """Waits for the word. Needs an application context; holds a connection from its first wait on."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def wait(self, stop: threading.Event, at_most_seconds: float, unheard_seconds: float) -> None:
        """Wait until something is due, or for so long.

        Args:
            stop: Ends the wait where there is nothing to listen to.
            at_most_seconds: How long where somebody is listening.
            unheard_seconds: How long on a database that tells nobody.

        Raises:
            DatabaseUnavailable: the connection was lost, or can't be had.

        """
        if not statements_nest():
            stop.wait(unheard_seconds)
            return
        try:
            list(self._listening().notifies(timeout=at_most_seconds, stop_after=1))
        except DriverError as error:
            self.close()
            give_up_connections()
            raise DatabaseUnavailable("The database can't be listened to at present.") from error

    def close(self) -> None:
        """Listen no more. The connection isn't used again: it would go on hearing."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()

    def _listening(self) -> Any:
        if self._connection is None:
            self._connection = listening_connection(CHANNEL)
        return self._connection.connection.dbapi_connection
