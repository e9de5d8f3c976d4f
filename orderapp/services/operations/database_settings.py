"""Checks database settings that we need but can't set ourselves, such as durability."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from orderapp.models import Base
from orderapp.services.db.connection_settings import not_kept

# Older versions get no bug fixes since November 2026.
OLDEST_SUPPORTED = 15
VERSION = "SELECT current_setting('server_version'), current_setting('server_version_num')::integer"
# Settings that only the server's owner can change, with the consequence of a wrong value.
OF_THE_SERVER = {
    "fsync": ("on", "a crash of its host can lose confirmed orders, or the whole database"),
    "full_page_writes": ("on", "a crash of its host in the middle of a write can spoil whole pages"),
    "server_encoding": ("UTF8", "names in other scripts can't be kept"),
    "session_replication_role": ("origin", "foreign keys and triggers don't protect anything"),
    "ignore_checksum_failure": ("off", "pages that were spoilt are read as if they weren't"),
    "zero_damaged_pages": ("off", "pages that were spoilt are emptied without a word"),
}
# Problems of our tables: unlogged tables, disabled triggers, invalid indexes.
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
# How many of the append-only tables belong to a role that ours may act as.
OWNED = (
    "SELECT count(*) FROM pg_class WHERE oid IN (to_regclass('audit_entries'), to_regclass('attempts')) "
    "AND pg_has_role(relowner, 'USAGE')"
)
# Our connections set these on SQLite; a build without a feature ignores the setting silently.
OF_SQLITE = {"foreign_keys": 1, "synchronous": 2, "journal_mode": "wal", "encoding": "UTF-8"}


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What is wrong with the database, and what is only doubtful; sentences."""

    wrong: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def look_at_database(connection: Connection) -> DatabaseState:
    """Compare the settings in effect with those we need. Change nothing.

    Args:
        connection: One of our connections, with the settings made at its opening.
    """
    if connection.dialect.name == "sqlite":
        return DatabaseState(tuple(_wrong_on_sqlite(connection)))
    return DatabaseState(tuple(_wrong_on_postgresql(connection)), tuple(_doubtful_on_postgresql(connection)))


def is_corrected(version_number: int) -> bool:
    """Return whether this PostgreSQL version (150004 is 15.4; 170000 is also 17beta1) still gets bug fixes."""
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
        yield f"PostgreSQL {version} gets no bug fixes any more"
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
