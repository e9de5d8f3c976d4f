"""Write plans: an ordered list of writes, described once for both databases. All of them happen, or none.

A write may use the rows of earlier writes ("the new order's id"). On PostgreSQL the list becomes one statement of
data-modifying CTEs, which costs one round trip. On SQLite, and inside a larger transaction, the writes run one after
the other.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import CTE, Dialect, FromClause, Select, bindparam, select, true
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningDelete, ReturningInsert, ReturningUpdate
from sqlalchemy.types import TypeEngine

from orderapp.services.db.json_rows import as_json, rows_of
from orderapp.services.db.prepared_statements import PreparedStatement
from orderapp.services.db.transactions import statements_nest, writing

Statement = ReturningInsert[Any] | ReturningUpdate[Any] | ReturningDelete[Any] | Select[Any]
Rows = Mapping[str, Sequence[Any]]


class Before:
    """What a write may use: the rows of the writes before it, and lists of rows that are parameters."""

    def __init__(self, dialect_name: str) -> None:
        self.dialect_name = dialect_name
        self.rows: dict[str, Callable[[], FromClause]] = {}
        self.used: dict[str, FromClause] = {}

    def __getitem__(self, name: str) -> FromClause:
        """Return the rows that an earlier write returned, to select from."""
        if name not in self.used:
            self.used[name] = self.rows[name]()
        return self.used[name]

    def __contains__(self, name: str) -> bool:
        """Return whether there is an earlier write of this name."""
        return name in self.rows


class Write(NamedTuple):
    """One write of a plan.

    Args:
        name: The name of the rows that it returns.
        statement: Makes the statement from the earlier writes. It returns rows; a SELECT may lock or read rows.
        one: Whether it returns exactly one row; otherwise any number, with only numbers and strings.
        only_if: A column of an earlier write's one row, such as `order.is_heard`: if it is false, the statement is left
            out where it would be one of its own. It must have no effect then in any case.
    """

    name: str
    statement: Callable[[Before], Statement]
    one: bool = True
    only_if: str = ""


class _Alone(NamedTuple):
    """A write as a separate statement: the parameters it needs, and whether a later write uses its rows."""

    write: Write
    statement: Statement
    needs: Sequence[str]
    is_used: bool


class WritePlan:
    """An ordered list of writes.

    Args:
        writes: In their order. Only the first may return no row where it should return one: then nothing is written.
        returns: The writes whose rows are wanted. Only the last of these may return several rows.
    """

    def __init__(self, *writes: Write, returns: Sequence[str]) -> None:
        self._writes = writes
        self._returned = [write for write in writes if write.name in returns]
        self._lists: dict[str, Sequence[_Alone]] = {}

    def run(self, parameters: Mapping[str, Any]) -> Rows | None:
        """Run the plan; return the wanted rows by the names of the writes, None if nothing was written.

        Transaction: one, committed here.

        Raises:
            DatabaseUnavailable: the database can't be reached, or the connection was lost; then the outcome is unknown.
            sqlalchemy.exc.DBAPIError: a constraint is violated; nothing was written.
        """
        if not statements_nest():
            with writing() as session:
                return self.run_within(session, parameters)
        statement, parts = self._nested
        rows = statement.run(parameters)
        if self._writes[0].one and not rows:
            return None
        return {part.write.name: part.rows(rows) for part in parts}

    def run_within(self, session: Session, parameters: Mapping[str, Any]) -> Rows | None:
        """Run the plan, write by write; return what `run` returns. Transaction: within the caller's."""
        connection, given = session.connection(), dict(parameters)
        found: dict[str, Sequence[Any]] = {}
        for write, statement, needs, is_used in self._one_by_one(connection.dialect):
            if write.only_if and not given[_value_of(*write.only_if.split("."))]:
                found[write.name] = []
                continue
            rows = found[write.name] = connection.execute(statement, {name: given[name] for name in needs}).all()
            if write.one and not rows:
                if write is self._writes[0]:
                    return None
                raise LookupError(f"{write.name} returned no row")
            if write.one:
                given |= {_value_of(write.name, name): value for name, value in rows[0]._mapping.items()}
            elif is_used:
                given[write.name] = as_json(dict(row._mapping) for row in rows)
        return {write.name: found[write.name] for write in self._returned}

    def _one_by_one(self, dialect: Dialect) -> Sequence[_Alone]:
        if dialect.name not in self._lists:
            self._lists[dialect.name] = self._list_for(dialect)
        return self._lists[dialect.name]

    def _list_for(self, dialect: Dialect) -> Sequence[_Alone]:
        """Return the statements, each with its parameters, including values of earlier rows."""
        before, alone = Before(dialect.name), []
        for write in self._writes:
            statement = write.statement(before)
            compiled = statement.compile(dialect=dialect)
            needs = [name for parameter, name in compiled.bind_names.items() if parameter.required]
            alone.append((write, statement, needs))
            columns = {one.name: one.type for one in statement.exported_columns}
            form = _one_row if write.one else partial(rows_of, dialect.name)
            before.rows[write.name] = partial(form, write.name, columns)
        return [_Alone(*one, is_used=one[0].name in before.used) for one in alone]

    @cached_property
    def _nested(self) -> tuple[PreparedStatement, Sequence[_Part]]:
        """Return the plan as one statement (PostgreSQL), and how to split its rows by write."""
        before, nested, columns = Before("postgresql"), dict[str, CTE](), dict[str, Sequence[str]]()
        for write in self._writes:
            statement = write.statement(before)
            columns[write.name] = [one.name for one in statement.exported_columns]
            if isinstance(statement, Select) and [write] == self._returned:  # the last, in the order that it asks for
                return PreparedStatement(statement.add_cte(*nested.values())), _parts([write], columns)
            part = nested[write.name] = statement.cte(write.name)
            before.rows[write.name] = partial(lambda cte: cte, part)
        wanted = [nested.pop(write.name) for write in self._returned]
        joined: FromClause = wanted[0]
        for part in wanted[1:]:
            joined = joined.outerjoin(part, true())
        beside = select(*(one.label(_value_of(part.name, one.name)) for part in wanted for one in part.c))
        whole = beside.select_from(joined).add_cte(*nested.values())
        return PreparedStatement(whole), _parts(self._returned, columns)


class _Part(NamedTuple):
    """Where to find a write's rows among the joined rows."""

    write: Write
    first: int
    row_of: Callable[..., Any]
    take: Callable[[Any], Any]

    def rows(self, joined: Sequence[Any]) -> Sequence[Any]:
        """Return this write's rows."""
        rows = joined[:1] if self.write.one else joined
        return [self.row_of(*self.take(row)) for row in rows if row[self.first] is not None]


def _parts(returned: Sequence[Write], columns: Mapping[str, Sequence[str]]) -> Sequence[_Part]:
    parts, first = [], 0
    for write in returned:
        after = first + len(columns[write.name])
        row_of = namedtuple("row_of", columns[write.name])  # type: ignore[misc]  # noqa: PYI024  -- known only now
        parts.append(_Part(write, first, row_of, itemgetter(slice(first, after))))
        first = after
    return parts


def _one_row(write_name: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Return the row that a write returned, as parameters to select from."""
    values = [bindparam(_value_of(write_name, name), type_=kind).label(name) for name, kind in columns.items()]
    return select(*values).subquery(write_name)


def _value_of(write_name: str, column_name: str) -> str:
    return f"{write_name}__{column_name}"
