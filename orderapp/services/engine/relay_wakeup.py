"""Wakes the relay as soon as a task is due: the web process sends NOTIFY, the relay uses LISTEN (PostgreSQL only).

It is only a hint: if a notification is lost, the relay finds the task when it next looks.
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
from orderapp.services.db.prepared_statements import PreparedStatement
from orderapp.services.db.transactions import give_up_connections, listening_connection, statements_nest

log = structlog.get_logger()

CHANNEL = "orderapp_due"
# PostgreSQL commits notifying transactions one at a time. So one thread per process notifies for all orders, and one
# notification covers all orders committed during the pause. A delay of 20 ms doesn't matter.
PAUSE_SECONDS = 0.02
EXTENSION = "orderapp.due"
# A notification needn't survive a power failure, so the commit doesn't wait for the disk.
_TELL = PreparedStatement(select(func.set_config("synchronous_commit", "off", true()), func.pg_notify(CHANNEL, "")))


def start_telling(app: Flask) -> None:
    """Start the thread that wakes the relay. Call once in each process that places orders, after any fork."""
    with app.app_context():
        if not statements_nest():
            return
    due = app.extensions[EXTENSION] = threading.Event()
    threading.Thread(target=_tell_until_the_end, args=(app, due), name="waking", daemon=True).start()


def wake_relay() -> None:
    """Signal that a due task was committed. Doesn't block; does nothing if the thread wasn't started."""
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
    """Wake the listening relays. Transaction: one, of one statement without a change. Raises DatabaseUnavailable."""
    _TELL.run({})


class Listener:
    """Waits for notifications. Needs an application context; holds a connection from its first wait on."""

    def __init__(self) -> None:
        self._connection: Connection | None = None

    def wait(self, stop: threading.Event, at_most_seconds: float, unheard_seconds: float) -> None:
        """Wait until a task is due or the time is over.

        Args:
            stop: Ends the wait on a database without notifications.
            at_most_seconds: The longest wait with notifications.
            unheard_seconds: The wait on a database without notifications.

        Raises:
            DatabaseUnavailable: the connection was lost, or can't be made.
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
        """Stop listening. Discard the connection, because it would still receive notifications."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()
            connection.close()

    def _listening(self) -> Any:
        if self._connection is None:
            self._connection = listening_connection(CHANNEL)
        return self._connection.connection.dbapi_connection
