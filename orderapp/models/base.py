"""What all tables share: naming of constraints, aware times, the database's clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    literal,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.functions import FunctionElement

# Fixed names, so that migrations on both databases can address every constraint.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The base of all models."""

    metadata = MetaData(naming_convention=NAMING)


# SQLite generates ids only for a column of type INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware time in UTC: `timestamptz` on PostgreSQL, sortable ISO text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Refuse naive times; SQLite stores the UTC wall clock."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Return an aware time."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


def table_of(model: type[Base]) -> Table:
    """Return a model's table: statements on it are much cheaper than on the model, if only rows are needed."""
    return cast(Table, model.__table__)


class db_now(FunctionElement[dt.datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock, which all decisions use; `db_now(5)` is five seconds from now.

    It is the time of the statement, not of the transaction: if an earlier statement waited for a lock, a lease still
    counts from the statement that takes it.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, offset_seconds: Any = 0.0) -> None:
        super().__init__(offset_seconds)


@compiles(db_now, "postgresql")
def _now_on_postgresql(element: db_now, compiler: Any, **kw: Any) -> str:
    # statement_timestamp() is stable within a statement, so an index on a due time can be used.
    offset = compiler.process(element.clauses, **kw)
    return f"(statement_timestamp() + make_interval(secs => CAST({offset} AS double precision)))"


@compiles(db_now, "sqlite")
def _now_on_sqlite(element: db_now, compiler: Any, **kw: Any) -> str:
    # Six decimals, as SQLAlchemy writes times on SQLite: they are compared as text.
    offset = compiler.process(element.clauses, **kw)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%+.3f seconds', {offset})) || '000')"


class seconds_until(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds from the database's now until a time column; negative once it has passed."""

    type = Float()
    inherit_cache = True

    def __init__(self, moment: Any) -> None:
        super().__init__(moment)


@compiles(seconds_until, "postgresql")
def _until_on_postgresql(element: seconds_until, compiler: Any, **kw: Any) -> str:
    seconds = f"EXTRACT(EPOCH FROM ({compiler.process(element.clauses, **kw)} - statement_timestamp()))"
    return f"CAST({seconds} AS double precision)"


@compiles(seconds_until, "sqlite")
def _until_on_sqlite(element: seconds_until, compiler: Any, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - julianday('now')) * 86400.0)"


def partial_index(name: str, *columns: str) -> Index:
    """Return an index of only those rows that have a value in the first column."""
    has_value = text(f"{columns[0]} IS NOT NULL")
    return Index(name, *columns, postgresql_where=has_value, sqlite_where=has_value)


def holds(column: Any, word: str) -> ColumnElement[bool]:
    """Return the condition that a column has a value, with the value as a literal in the statement.

    For lists and counts: most rows are done, and few failed. A plan for any value assumes that each is a fifth of all
    rows, and scans the whole table for the few.
    """
    return cast(ColumnElement[bool], column == literal(word, literal_execute=True))


def state_column(states: type[StrEnum]) -> String:
    """Return the type of a state column: short text, readable in any SQL tool."""
    return String(max(len(state.value) for state in states))


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """Return the check that a column has one of the given values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
