"""The sandbox's state in one SQLite file: short write transactions, one at a time, and reads beside them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, LifoQueue

from orderapp.owners_files import keep_to_owner, make_folder

SCHEMA = Path(__file__).with_name("schema.sql")
BUSY_SECONDS = (
    5  # only another process, such as a shell on the file, can make us wait; a longer wait is an error to see
)


class Store:
    """The open file. Safe to use from any number of threads; connections are kept and lent to one thread at a time."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        keep_to_owner(path)
        self._path = path
        self._writing = threading.Lock()  # queues our own writers in order, where SQLite would have them poll
        self._idle: LifoQueue[sqlite3.Connection] = LifoQueue()
        with self._connection() as connection:
            connection.executescript(SCHEMA.read_text(encoding="utf-8"))

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a write transaction: committed at the end, rolled back when anything is raised."""
        with self._writing, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection whose reads all see the same moment."""
        with self._connection() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close every idle connection; call it when nobody is using the store any more."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.put(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # Survives a killed process; a stand-in needn't survive a power cut, nor wait for a busy disk.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def now_text() -> str:
    """Return the present time as RFC 3339 text in UTC, to the millisecond."""
    return text_of(datetime.now(UTC))


def text_of(at: datetime) -> str:
    """Return an aware time as RFC 3339 text in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
