"""Visible transactions: `with writing() as session:` commits at the end of the block, `with reading()` never does.

Each block has its own session, which ends with the block. So no transaction is open while a system is called, and
nothing is loaded lazily later.
"""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import Connection, Engine, ExceptionContext, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from orderapp.errors import DatabaseUnavailable
from orderapp.extensions import db
from orderapp.owners_files import keep_to_owner
from orderapp.services.db.connection_settings import LOCK_WAIT_SECONDS, pin

# The errors that say nothing about the statement: the same one may succeed later.
NOT_NOW = (OperationalError, InterfaceError, PoolTimeout)
# PostgreSQL's codes for a missing table or column: a migration hasn't run yet. (SQLite raises OperationalError.)
SCHEMA_IS_OLD = frozenset({"42P01", "42703"})
# PostgreSQL's code for a prepared statement whose result columns have changed since. The driver would repeat it for as
# long as the connection lives.
STALE_PLAN = "0A000"
# A connection used within the last second is used again without a ping. If the server went away in between, the
# statement itself fails, and the customer is asked to repeat.
UNASKED_SECONDS = 1.0
# Marks a transaction that will write. On SQLite it takes the write lock at its start, because a later upgrade of the
# lock fails without waiting.
WRITES = {"orderapp_writes": True}
# In a session's `info`: whether what is written in it now will be committed. Sessions that aren't ours don't say.
COMMITS = "orderapp_commits"
# Marks statements that are their own transactions.
COMMITS_ITSELF = {"orderapp_commits_itself": True}


@contextmanager
def writing() -> Iterator[Session]:
    """Open a transaction that commits at the end of the block and rolls back if the block raises.

    Raises:
        DatabaseUnavailable: the database can't be reached, or the connection was lost; during the commit the outcome
            is unknown, and a repeat with the same key finds it.
    """
    with (
        translated(),
        Session(_engines().writing, expire_on_commit=False, info={COMMITS: True}) as session,
    ):
        try:
            with session.begin():
                yield session
        finally:
            session.info[COMMITS] = False


@contextmanager
def reading() -> Iterator[Session]:
    """Open a session that only reads; it ends with the block. Raises DatabaseUnavailable.

    On PostgreSQL there is no transaction around it: at READ COMMITTED each statement has its own snapshot anyway. BEGIN
    and ROLLBACK would add two round trips, and psycopg forgets its prepared statements after each ROLLBACK.
    """
    with translated(), Session(_engines().reading, expire_on_commit=False, info={COMMITS: False}) as session:
        yield session


def commits(session: Session) -> bool:
    """Return whether what is written in a session now will be committed: not in `reading`, nor after its block."""
    return bool(session.info.get(COMMITS, True))


@contextmanager
def asking() -> Iterator[Connection]:
    """Open a connection that only reads, where no session is needed. Raises DatabaseUnavailable."""
    with translated(), _engines().reading.connect() as connection:
        yield connection


def listening_connection(channel: str) -> Connection:
    """Return a connection that listens to a channel (PostgreSQL only). Raises DatabaseUnavailable."""
    with translated():
        connection = _engines().reading.connect()
        try:
            connection.exec_driver_sql(f"LISTEN {channel}")
        except BaseException:
            connection.close()  # otherwise each attempt would leak one, for example on a standby, which refuses LISTEN
            raise
    return connection


def give_up_connections() -> None:
    """Make the pool replace each connection before its next use: one was lost, so the others probably are too."""
    _engines().given_up.set()


def statements_nest() -> bool:
    """Return whether one statement may change several tables (PostgreSQL), or each needs its own (SQLite)."""
    return _engines().reading.dialect.name == "postgresql"


@dataclass(frozen=True, slots=True)
class _Engines:
    """The application's engine, with the options for each of its uses."""

    writing: Engine
    reading: Engine
    given_up: threading.Event  # set until the pool is invalidated


def _engines() -> _Engines:
    return cast(_Engines, current_app.extensions["orderapp.engines"])


def ping() -> None:
    """Check that the database answers. Raises DatabaseUnavailable."""
    with reading() as session:
        session.execute(text("SELECT 1"))


@contextmanager
def translated() -> Iterator[None]:
    """Turn every error that means "not now" into DatabaseUnavailable."""
    try:
        yield
    except (*NOT_NOW, InternalError) as error:
        raise DatabaseUnavailable("The database can't be used at present; repeat with the same key later.") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in SCHEMA_IS_OLD:
            raise DatabaseUnavailable(
                "The database lacks tables of ours, so nothing was done; its schema needs an upgrade."
            ) from error
        if error.connection_invalidated:
            raise DatabaseUnavailable(
                "The connection to the database was of no use; repeat with the same key."
            ) from error
        raise


def engine_options(url: str) -> dict[str, Any]:
    """Return the engine's options for a database address."""
    if url.startswith("sqlite"):
        # A thread that gets no connection within the lock wait fails with a clear error instead of waiting forever.
        return {
            "connect_args": {"timeout": LOCK_WAIT_SECONDS, "isolation_level": None},
            "pool_size": 20,
            "hide_parameters": True,
        }
    return {
        # Each thread of a process may hold one connection at a time; see gunicorn.conf.py and the worker's threads.
        "pool_size": 20,
        "max_overflow": 20,
        "pool_timeout": LOCK_WAIT_SECONDS,
        "pool_use_lifo": True,
        "connect_args": {
            "connect_timeout": 3,
            # Prepare at the second execution, not the sixth: an order's statements are few, long and always the same,
            # and each of a process's thirty or so connections prepares them separately.
            "prepare_threshold": 1,
            # These detect a server that vanished without closing the connection (its host or the network is gone):
            # after ten seconds without an acknowledgement, or three unanswered keepalive probes.
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
        },
        "hide_parameters": True,  # otherwise error texts, and so the log, would contain customers' names
    }


def prepare(app: Flask) -> None:
    """Bind the engine's events. Needs an application context."""
    engine: Engine = db.engine
    given_up = threading.Event()
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _keep_to_owner)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_on_sqlite)
    else:
        event.listen(engine, "connect", _set_up_postgresql)
        event.listen(engine, "begin", _begin_on_postgresql)
        event.listen(engine, "checkin", _note_idle)
        event.listen(engine, "checkout", partial(_replace_if_useless, engine, given_up))
        event.listen(engine, "handle_error", _tell_stale_plan)
    writing = engine.execution_options(**WRITES)
    committing_itself = engine.execution_options(**COMMITS_ITSELF)
    reading = committing_itself if engine.dialect.name == "postgresql" else engine
    app.extensions["orderapp.engines"] = _Engines(writing, reading, given_up)


def _note_idle(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


def _tell_stale_plan(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) == STALE_PLAN:
        context.is_disconnect = True


def _replace_if_useless(
    engine: Engine, given_up: threading.Event, connection: Any, record: ConnectionPoolEntry, _proxy: Any
) -> None:
    """Replace a connection before its use if it was given up or died while idle.

    `pool_pre_ping` would ping at each use and so add a round trip to each transaction of an order. The pool then also
    replaces all other connections before their next use, including those in use now. Disposing of the pool would leave
    those open until the garbage collector runs.
    """
    if given_up.is_set():
        given_up.clear()
        raise InvalidatePoolError
    if time.monotonic() - record.info.get("idle_since", math.inf) < UNASKED_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr]
        raise InvalidatePoolError from error


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    # A statement commits itself unless we sent BEGIN. Without autocommit the driver would send BEGIN itself.
    connection.autocommit = True
    pin(connection)


def _begin_on_postgresql(connection: Any) -> None:
    if not connection.get_execution_options().get("orderapp_commits_itself"):
        connection.exec_driver_sql("BEGIN")


def _keep_to_owner(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    # Do this before SQLite creates the file with the mode that the umask allows.
    keep_to_owner(Path(arguments[0]))


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    _use_write_ahead_log(connection)
    # FULL: a commit survives a power failure.
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={LOCK_WAIT_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers continue while one connection writes.

    If two connections switch a new file to WAL at the same time, one fails immediately, without the busy time-out.
    """
    ends_at = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.01)  # the other connection needs a few milliseconds


def _begin_on_sqlite(connection: Any) -> None:
    # Python's driver would begin only before the first write, after the reads that the write depends on
    # (cpython#54949).
    writes = connection.get_execution_options().get("orderapp_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
