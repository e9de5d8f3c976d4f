"""The rows of a list as a file, piece by piece: CSV that no spreadsheet takes for formulas, or JSON lines."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flask import Flask
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import Session

from orderapp.services.db.transactions import reading

BATCH_ROWS = 1000  # some hundred kilobytes in memory at a time
MOST_ROWS = 1_000_000  # as many as a spreadsheet has lines
# How a spreadsheet tells a formula, also after a tab or a line break.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
FORMS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}

# Returns the value of a column, from a row and the numbers of the orders that rows belong to.
Column = Callable[[Any, Mapping[Any, str]], Any]


def plain(name: str) -> Column:
    """Return the column that shows an attribute as it is."""
    return lambda row, _: getattr(row, name)


def order_number(row: Any, numbers: Mapping[Any, str]) -> str:
    """Return the number of a row's order; empty without one."""
    return numbers.get(row.order_id, "")


def lines(
    form: str,
    columns: Mapping[str, Column],
    batches: Iterator[tuple[Sequence[Any], Mapping[Any, str]]],
) -> Iterator[str]:
    """Yield the file piece by piece. After MOST_ROWS it says in a last line that there are more."""
    left = MOST_ROWS
    if form == "csv":
        yield _csv([list(columns)])
    for rows, numbers in batches:
        values = [[column(row, numbers) for column in columns.values()] for row in rows[:left]]
        yield _csv(values) if form == "csv" else _json(list(columns), values)
        left -= len(values)
        if not left:
            note = f"There may be more: an export ends after {MOST_ROWS:,} rows. Narrow the list."
            yield _csv([[note]]) if form == "csv" else _json(["note"], [[note]])
            return


def batches_of(
    app: Flask,
    statement: Select[Any],
    key: Sequence[Any],
    descending: bool,
    numbers_of: Callable[[Session, Sequence[Any]], Mapping[Any, str]],
) -> Iterator[tuple[Sequence[Any], Mapping[Any, str]]]:
    """Yield the rows of a statement in batches, by their key, each batch with the numbers of its orders.

    The request's context is over while the answer goes out, so each batch is read in a context of its own.
    """
    order = [column.desc() if descending else column.asc() for column in key]
    edge: Any = None
    while True:
        page = statement.order_by(*order).limit(BATCH_ROWS)
        if edge is not None:
            place = tuple_(*(literal(value, column.type) for value, column in zip(edge, key, strict=True)))
            page = page.where(tuple_(*key) < place if descending else tuple_(*key) > place)
        with app.app_context(), reading() as session:
            rows = session.scalars(page).all()
            numbers = numbers_of(session, rows)
        if rows:
            yield rows, numbers
        if len(rows) < BATCH_ROWS:
            return
        edge = [getattr(rows[-1], column.key) for column in key]


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(_text(value)) for value in row] for row in rows)
    return text.getvalue()


def _json(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    objects = (dict(zip(names, row, strict=True)) for row in rows)
    return "".join(f"{json.dumps(one, ensure_ascii=False, default=_text)}\n" for one in objects)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)


def _harmless(text: str) -> str:
    """Return a cell's text with an apostrophe before what would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
