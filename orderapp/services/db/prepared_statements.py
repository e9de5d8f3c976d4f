"""Statements made ready once, for what every order needs: given to the driver as they are, on PostgreSQL.

SQLAlchemy builds them and lends the connection; carrying them out through it takes three times the driver's own time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from blinker import Signal
from psycopg import Error as DriverError
from psycopg import RawCursor
from psycopg.rows import namedtuple_row
from sqlalchemy import BindParameter, Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from orderapp.extensions import db
from orderapp.services.db.transactions import STALE_PLAN, asking, give_up_connections, statements_nest, translated

# Told before and after each, for whoever counts them or dies at them: SQLAlchemy's events don't see these. Both say
# whether it only `reads`, so that there is nothing to commit.
about_to_run = Signal("About to run a ready statement; its sender is the statement.")
has_run = Signal("A ready statement has run, and what it did is committed; its sender is the statement.")


class _Compiler(PGCompiler_psycopg):
    """Writes what is always the same into the text, so that a plan made for any parameters is made for these words."""

    def visit_bindparam(  # type: ignore[override]
        self, bindparam: BindParameter[Any], literal_binds: bool = False, **kw: Any
    ) -> str:
        constant = not bindparam.required and bindparam.callable is None
        written: str = super().visit_bindparam(bindparam, literal_binds=literal_binds or constant, **kw)  # type: ignore[no-untyped-call]
        return written


class _Dialect(PGDialect_psycopg):
    statement_compiler = _Compiler


# Parameters as PostgreSQL itself numbers them.
_DIALECT: Dialect = _Dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Form(NamedTuple):
    """What the driver is given: the text, and where each parameter comes from."""

    text: bytes
    order: Sequence[str]
    conversions: Mapping[str, Callable[[Any], Any]]


class ReadyStatement:
    """A statement that is a transaction of its own.

    Args:
        statement: With named parameters, or none.

    """

    def __init__(self, statement: ExecutableReturnsRows) -> None:
        self._statement = statement

    def run(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Run it and return its rows: named tuples of what the driver makes of each value.

        Transaction: one, of this statement: committed when this returns, rolled back when it raises.

        Raises:
            DatabaseUnavailable: the database can't be reached, or was lost on the way; then the outcome is unknown.
            sqlalchemy.exc.DBAPIError: a constraint is violated, or the statement failed otherwise.

        """
        return self._run(parameters, reads=False)

    def ask(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Return its rows, on any database: for one that only reads. Raises what `run` does."""
        if statements_nest():
            return self._run(parameters, reads=True)
        with asking() as connection:
            return connection.execute(self._statement, parameters).all()

    def __str__(self) -> str:
        """Return its text."""
        return self._form.text.decode()

    def _run(self, parameters: Mapping[str, Any], *, reads: bool) -> Sequence[Any]:
        form = self._form
        given = dict(parameters)
        for name, convert in form.conversions.items():
            given[name] = convert(given[name])
        values = [given[name] for name in form.order]
        if about_to_run.receivers:
            about_to_run.send(self, reads=reads)
        with translated():
            rows = _carried_out(form.text, values)
        if has_run.receivers:
            has_run.send(self, reads=reads)
        return rows

    @cached_property
    def _form(self) -> _Form:
        compiled = self._statement.compile(dialect=_DIALECT)
        if not isinstance(compiled, SQLCompiler) or compiled.positiontup is None:
            raise TypeError(f"{compiled} has no parameters in order")
        left = (*compiled.insert_prefetch, *compiled.update_prefetch, *compiled.post_compile_params)
        if left:
            raise TypeError(f"{compiled} leaves to SQLAlchemy at each run: {left}")
        conversions = {
            name: convert
            for parameter, name in compiled.bind_names.items()
            if name in compiled.positiontup
            and (convert := parameter.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
        }
        return _Form(str(compiled).encode(), compiled.positiontup, conversions)


def _carried_out(text: bytes, values: Sequence[Any]) -> Sequence[Any]:
    try:
        lent = db.engine.raw_connection()
    except DriverError as error:  # for want of a connection; the pool tells it as the driver does
        raise _as_sqlalchemy_tells(error, text, lost=False) from error
    connection: Any = lent.driver_connection
    try:
        with RawCursor(connection, row_factory=namedtuple_row) as cursor:
            cursor.execute(text, values)
            return cursor.fetchall()
    except DriverError as error:
        lost = connection.closed or connection.broken or error.sqlstate == STALE_PLAN
        if lost:
            lent.invalidate(error)
            give_up_connections()
        raise _as_sqlalchemy_tells(error, text, lost=lost) from error
    except BaseException:
        lent.invalidate()  # interrupted in the middle: what it may still answer is for nobody
        raise
    finally:
        lent.close()


def _as_sqlalchemy_tells(error: DriverError, text: bytes, *, lost: bool) -> Exception:
    return DBAPIError.instance(
        text.decode(), None, error, DriverError, hide_parameters=True, connection_invalidated=lost, dialect=_DIALECT
    )
