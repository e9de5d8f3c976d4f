"""Upserts: insert a row or change the existing one, in one statement, on both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Index, Select, Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from orderapp.models import Base, table_of

Insert = postgresql.Insert | sqlite.Insert


def upsert(
    on: Session | str,
    model: type[Base],
    new: Mapping[str, Any] | tuple[Sequence[str], Select[Any]],
    changed: Mapping[str, Any] | None,
    *,
    unique: str,
    where: ColumnElement[bool] | None = None,
) -> Insert:
    """Return a statement that inserts a row, or changes the existing row that conflicts with it.

    The condition of a partial index is a literal in the statement. As a parameter, PostgreSQL would no longer match it
    to the index after a connection's fifth execution, when it makes one plan for all values.

    Args:
        on: Where the statement runs: a session, or the name of its dialect.
        model: The table.
        new: The values of a new row; columns without a value are parameters of the statement. Or the columns of new
            rows, and the statement that selects them.
        changed: The values that an existing row gets; `proposed` names the new row's. None: the row doesn't change.
        unique: What conflicts: the name of a column, of several (`a, b`), or of a unique index.
        where: The condition for changing an existing row; always, if not given.
    """
    dialect_name = on if isinstance(on, str) else on.get_bind().dialect.name
    table = table_of(model)
    inserting = postgresql.insert if dialect_name == "postgresql" else sqlite.insert
    statement: Insert = inserting(table)
    statement = statement.values(dict(new)) if isinstance(new, Mapping) else statement.from_select(*new)
    index = _index(table, unique)
    target: dict[str, Any] = {"index_elements": unique.split(", ")}
    if index is not None:
        target = {"index_elements": list(index.columns), "index_where": index.dialect_options[dialect_name]["where"]}
    if changed is None:
        return statement.on_conflict_do_nothing(**target)
    return statement.on_conflict_do_update(**target, set_=dict(changed), where=where)


def proposed(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the value that the new row would have had."""
    return literal_column(f"excluded.{column.key}", column.type)


def _index(table: Table, name: str) -> Index | None:
    return next((index for index in table.indexes if index.name == name), None)
