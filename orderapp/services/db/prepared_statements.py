"""Statements that every order needs: compiled once and passed directly to the driver (PostgreSQL).

SQLAlchemy compiles them and lends the connection. Executing them through SQLAlchemy would take three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, cast

from blinker import Signal
from psycopg import Error as DriverError
from psycopg import RawCursor
from psycopg.rows import namedtuple_row
from sqlalchemy import BindParameter, Dialect
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from orderapp.extensions import db
from orderapp.services.db.transactions import STALE_PLAN, asking, give_up_connections, statements_nest, translated

# Sent before and after each statement, for code that counts statements or crashes at one: SQLAlchemy's events don't see
# them. `reads` says that the statement only reads, so there is nothing to commit.
about_to_run = Signal("About to run a prepared statement; its sender is the statement.")
has_run = Signal("A prepared statement has run, and what it did is committed; its sender is the statement.")


# Numbered parameters, PostgreSQL's own form.
_DIALECT: Dialect = psycopg_dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class _Form(NamedTuple):
    """The input for the driver: the text, and where each parameter comes from."""

    text: bytes
    order: Sequence[str]
    conversions: Mapping[str, Callable[[Any], Any]]


class PreparedStatement:
    """A statement that is its own transaction.

    Args:
        statement: A statement with named parameters, or without parameters.
    """

    def __init__(self, statement: ExecutableReturnsRows) -> None:
        self._statement = statement

    def run(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Run the statement and return its rows: named tuples with the driver's values.

        Transaction: one, of this statement: committed when this returns, rolled back when it raises.

        Raises:
            DatabaseUnavailable: the database can't be reached, or the connection was lost; then the outcome is unknown.
            sqlalchemy.exc.DBAPIError: a constraint is violated, or the statement failed for another reason.
        """
        return self._run(parameters, reads=False)

    def ask(self, parameters: Mapping[str, Any]) -> Sequence[Any]:
        """Return the rows of a statement that only reads, on any database. Raises what `run` raises."""
        if statements_nest():
            return self._run(parameters, reads=True)
        with asking() as connection:
            return connection.execute(self._statement, parameters).all()

    def __str__(self) -> str:
        """Return the text of the statement."""
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
        statement = cast(ExecutableReturnsRows, visitors.replacement_traverse(self._statement, {}, _constant))
        compiled = statement.compile(dialect=_DIALECT)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"{compiled} has no parameters")
        left = (*compiled.insert_prefetch, *compiled.update_prefetch, *compiled.post_compile_params)
        if left:
            raise TypeError(f"{compiled} leaves to SQLAlchemy at each run: {left}")
        given = {name: None for parameter, name in compiled.bind_names.items() if parameter.required}
        written = compiled.construct_expanded_state(given)
        order = written.positiontup or ()
        conversions = {
            name: convert
            for parameter, name in compiled.bind_names.items()
            if name in order and (convert := parameter.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
        }
        return _Form(written.statement.encode(), order, conversions)


def _constant(element: Any, **_: Any) -> Any:
    """Render a constant as a literal, so that the generic plan is made for this constant too."""
    if isinstance(element, BindParameter) and not element.required and element.callable is None:
        return element.render_literal_execute()
    return None


def _carried_out(text: bytes, values: Sequence[Any]) -> Sequence[Any]:
    try:
        lent = db.engine.raw_connection()
    except DriverError as error:  # no connection; the pool raises the driver's own error
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
        lent.invalidate()  # interrupted: the next user must not read an answer that is still to come
        raise
    finally:
        lent.close()


def _as_sqlalchemy_tells(error: DriverError, text: bytes, *, lost: bool) -> Exception:
    return DBAPIError.instance(
        text.decode(), None, error, DriverError, hide_parameters=True, connection_invalidated=lost, dialect=_DIALECT
    )
