"""Rows as one parameter: a JSON list that PostgreSQL reads as a table, for statements that write any number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Float, FromClause, Table, Text, bindparam, cast, column, func
from sqlalchemy.dialects.postgresql import JSONB


def rows_of(parameter: str, table: Table, names: Sequence[str], *, seconds: Sequence[str] = ()) -> FromClause:
    """Return a parameter as a table with columns of another table (PostgreSQL only).

    Args:
        parameter: Its name; `as_json` makes its value.
        table: Where the columns' types come from.
        names: The columns.
        seconds: Further columns, numbers of seconds.

    """
    columns = [column(name, table.c[name].type) for name in names] + [column(name, Float) for name in seconds]
    rows = func.jsonb_to_recordset(cast(bindparam(parameter, type_=Text), JSONB))
    return rows.table_valued(*columns).render_derived(name=f"given_{parameter}", with_types=True)


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as the value of a parameter. Their values are words, numbers, truth and None."""
    return json.dumps(list(rows))
