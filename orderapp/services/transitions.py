"""The only place where a state is written: by compare-and-set, along the edges of `orderapp.domain.states`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from orderapp.domain.states import State, sources_of
from orderapp.models import Drift, Order, Placement, Step, Task, table_of


def move(
    session: Session,
    model: type[Order | Placement | Step | Task | Drift],
    to: State,
    *where: ColumnElement[bool],
    **values: Any,
) -> int:
    """Move rows to a state, those only that stand where an edge to it begins.

    Transaction: within the caller's.

    Args:
        session: The caller's session.
        model: The table.
        to: The new state.
        where: Which rows; a lease's holder adds its fencing token here.
        values: Columns set in the same statement.

    Returns:
        How many rows moved; 0 means that somebody else was faster or that there is no such edge.

    """
    table = table_of(model)
    allowed = [source.value for source in sources_of(to)]
    statement = update(table).where(*where, table.c.state.in_(allowed)).values(state=to.value, **values)
    return session.connection().execute(statement).rowcount
