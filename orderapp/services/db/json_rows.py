"""Passes any number of rows as one parameter: a JSON list that the database reads as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import (
    Boolean,
    Float,
    FromClause,
    Integer,
    Numeric,
    String,
    Table,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

# What a value in JSON is to either database without being converted. Times and UUIDs aren't: SQLite keeps its own form.
_PLAIN = (String, Integer, Numeric, Float, Boolean)


def rows_of(dialect_name: str, parameter: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Return a parameter as a table to select from.

    Args:
        dialect_name: The dialect of the database.
        parameter: The parameter's name; `as_json` makes its value.
        columns: Names and types; only strings, numbers and booleans.

    Raises:
        TypeError: a column has another type.
    """
    for name, kind in columns.items():
        if not isinstance(kind, _PLAIN):
            raise TypeError(f"{parameter}.{name} is {kind!r}, which JSON has no form for")
    given = bindparam(parameter, type_=Text)
    if dialect_name == "postgresql":
        rows = func.jsonb_to_recordset(cast(given, JSONB))
        valued = rows.table_valued(*(column(name, kind) for name, kind in columns.items()))
        return valued.render_derived(name=f"given_{parameter}", with_types=True)
    each = func.json_each(given).table_valued("value", name=f"each_{parameter}")
    values = [func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name) for name, kind in columns.items()]
    return select(*values).subquery(f"given_{parameter}")


def columns_of(table: Table, names: Sequence[str]) -> dict[str, TypeEngine[Any]]:
    """Return some of a table's columns with their types, for `rows_of`."""
    return {name: table.c[name].type for name in names}


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as the value of a parameter. Their values are words, numbers, truth and None.

    Raises:
        TypeError: a value is none of these, or no database could keep it: half a character, a number beyond 64 bits.
    """
    return orjson.dumps(list(rows)).decode()
