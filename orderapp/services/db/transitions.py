"""The only place where a state is written: by compare-and-set, along the edges of `orderapp.domain.states`."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Update, literal, update
from sqlalchemy.orm import Session

from orderapp.domain.states import State, sources_of
from orderapp.models import Drift, Order, Placement, Step, Task, table_of

Movable = type[Order | Placement | Step | Task | Drift]


def move(
    session: Session,
    model: Movable,
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
    return session.connection().execute(moving(model, to).where(*where).values(**values)).rowcount


@cache
def moving(model: Movable, to: State) -> Update:
    """Return the statement that `move` executes, to be narrowed to rows, and kept where it is hot."""
    table = table_of(model)
    # As literals: a list of plain values is written into the statement anew for each execution.
    allowed = [literal(source.value) for source in sources_of(to)]
    # An expression, not the column, so that no index of states is the way to the row: few rows may have had the state
    # when the statement was planned, and many when it runs.
    state = table.c.state.concat("")
    return update(table).where(state.in_(allowed)).values(state=to.value)
