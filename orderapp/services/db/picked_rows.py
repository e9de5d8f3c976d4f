"""Reads the rows of many ids one by one through the primary key, and never the whole table to find them.

PostgreSQL would read a whole table as soon as it takes that for cheaper than some thousand lookups; that grows with the
orders kept, and lookups don't.
"""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Boolean, ColumnElement, FromClause, Select, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from orderapp.models import Order, table_of


class among(FunctionElement[bool]):  # noqa: N801 - reads as the condition it is
    """The condition that a column has one of the ids that a statement selects."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: Any, ids: Select[uuid.UUID]) -> None:
        super().__init__(column, ids.scalar_subquery())


@compiles(among, "postgresql")
def _among_on_postgresql(element: among, compiler: Any, **kw: Any) -> str:
    # An array is read first, and then looked up; the planner takes it for short.
    column, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} = ANY (ARRAY{ids})"


@compiles(among, "sqlite")
def _among_on_sqlite(element: among, compiler: Any, **kw: Any) -> str:
    column, ids = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"{column} IN {ids}"


def with_orders(on: Session, source: FromClause) -> tuple[FromClause, Any]:
    """Return what to select from, each row of a source beside its order if it has one, and the order's columns.

    Args:
        on: Where the statement runs.
        source: Rows with an `order_id`.
    """
    orders = table_of(Order)
    its_own: ColumnElement[bool] = orders.c.id == source.c.order_id
    if on.get_bind().dialect.name != "postgresql":
        return source.outerjoin(orders, its_own), orders.c
    # The limit keeps the planner from turning the lookup into a join.
    one = select(orders).where(its_own).limit(1).lateral("one_order")
    return source.outerjoin(one, true()), one.c
