"""Rows as one parameter: a JSON list that PostgreSQL reads as a table, for statements that write any number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import FromClause, Table, Text, bindparam, cast, column, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from orderapp.fast_json import to_json


def rows_of(
    parameter: str, table: Table, names: Sequence[str], *, further: Mapping[str, TypeEngine[Any]] | None = None
) -> FromClause:
    """Return a parameter as a table with columns of another table (PostgreSQL only).

    Args:
        parameter: Its name; `as_json` makes its value.
        table: Where the columns' types come from.
        names: The columns.
        further: Further columns with their types.

    """
    columns = [column(name, table.c[name].type) for name in names]
    columns += [column(name, type_) for name, type_ in (further or {}).items()]
    rows = func.jsonb_to_recordset(cast(bindparam(parameter, type_=Text), JSONB))
    return rows.table_valued(*columns).render_derived(name=f"given_{parameter}", with_types=True)


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as the value of a parameter. Their values are words, numbers, truth and None."""
    return to_json(list(rows))
