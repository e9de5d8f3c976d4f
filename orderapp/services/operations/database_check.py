"""Looks at what we rely on of the database and can't set ourselves: that it keeps what it has confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from orderapp.models import Base
from orderapp.services.db.connection_settings import not_kept

# Older ones get no corrections any more, since November 2026.
OLDEST_SUPPORTED = 15
VERSION = "SELECT current_setting('server_version'), current_setting('server_version_num')::integer"
# What the server's owner alone sets, with what happens otherwise.
OF_THE_SERVER = {
    "fsync": ("on", "a crash of its host can lose confirmed orders, or the whole database"),
    "full_page_writes": ("on", "a crash of its host in the middle of a write can spoil whole pages"),
    "server_encoding": ("UTF8", "names in other scripts can't be kept"),
    "session_replication_role": ("origin", "foreign keys and triggers don't protect anything"),
    "ignore_checksum_failure": ("off", "pages that were spoilt are read as if they weren't"),
    "zero_damaged_pages": ("off", "pages that were spoilt are emptied without a word"),
}
# By our tables: what doesn't survive a crash, what doesn't protect, what was never finished.
SPOILT = (
    (
        "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r' AND relname = ANY(:tables)",
        "unlogged, so a crash empties them: {}",
    ),
    (
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
        "WHERE tgenabled IN ('D', 'R') AND relname = ANY(:tables)",
        "their triggers or foreign keys are switched off: {}",
    ),
    (
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid "
        "WHERE NOT (indisvalid AND indisready) AND relname = ANY(:tables)",
        "invalid indexes, which keep nothing unique: {}",
    ),
)
# How many of the tables that nothing is deleted from belong to a role that ours may act for.
OWNED = (
    "SELECT count(*) FROM pg_class WHERE oid IN (to_regclass('audit_entries'), to_regclass('attempts')) "
    "AND pg_has_role(relowner, 'USAGE')"
)
# As each of our connections sets them on SQLite; one that was built without a part leaves it off without a word.
OF_SQLITE = {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "encoding": "UTF-8"}


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What is wrong with the database, and what is only doubtful; each a sentence."""

    wrong: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def look_at_database(connection: Connection) -> DatabaseState:
    """Compare what is in effect with what we rely on. Changes nothing.

    Args:
        connection: One of ours; its settings were made when it was opened.

    """
    if connection.dialect.name == "sqlite":
        return DatabaseState(tuple(_wrong_on_sqlite(connection)))
    return DatabaseState(tuple(_wrong_on_postgresql(connection)), tuple(_doubtful_on_postgresql(connection)))


def is_corrected(version_number: int) -> bool:
    """Return whether the PostgreSQL of a number (150004 is 15.4, and 170000 is 17beta1 too) still gets corrections."""
    return version_number // 10_000 >= OLDEST_SUPPORTED


def _wrong_on_postgresql(connection: Connection) -> Iterator[str]:
    for name, (needed, otherwise) in OF_THE_SERVER.items():
        found = connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one()
        if found != needed:
            yield f"{name} = {found}: {otherwise}"
    lost = not_kept(connection)
    if lost:
        yield (
            f"what our connections set isn't in effect ({', '.join(lost)}): a pooler between has to keep a client's "
            "connection for its session"
        )
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        yield "it is a standby: nothing can be written"
    ours = {"tables": list(Base.metadata.tables)}
    for query, sentence in SPOILT:
        found = sorted(connection.execute(text(query), ours).scalars())
        if found:
            yield sentence.format(", ".join(found))


def _doubtful_on_postgresql(connection: Connection) -> Iterator[str]:
    version, number = connection.execute(text(VERSION)).one()
    if not is_corrected(number):
        yield f"PostgreSQL {version} gets no corrections any more"
    if connection.execute(text("SHOW autovacuum")).scalar_one() != "on":
        yield "autovacuum is off: tables grow, and statements get slow"
    if connection.execute(text(OWNED)).scalar_one():
        yield (
            "our role owns the tables, so whoever breaks in could switch off what protects the history "
            "(docs/production.md, Two roles)"
        )


def _wrong_on_sqlite(connection: Connection) -> Iterator[str]:
    for name, needed in OF_SQLITE.items():
        found = connection.execute(text(f"PRAGMA {name}")).scalar_one()
        if found != needed:
            yield f"{name} is {found}, and {needed} is needed"
