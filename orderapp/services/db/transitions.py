"""The only place that writes a state: by compare-and-set, along the edges of `orderapp.domain.states`."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Update, case, literal, update
from sqlalchemy.orm import Session

from orderapp.domain.states import State, TaskState, sources_of
from orderapp.models import (
    Delivery,
    Mismatch,
    Operation,
    OperationItem,
    Order,
    Placement,
    Step,
    Task,
    db_now,
    table_of,
)

Movable = type[Order | Placement | Step | Task | Mismatch | Delivery | Operation | OperationItem]


def move(
    session: Session,
    model: Movable,
    to: State,
    *where: ColumnElement[bool],
    **values: Any,
) -> int:
    """Move rows to a state, but only from states that have an edge to it.

    Transaction: within the caller's.

    Args:
        session: The caller's session.
        model: The table.
        to: The new state.
        where: Which rows; the holder of a lease adds its fencing token here.
        values: Columns set in the same statement.

    Returns:
        How many rows moved; 0 means that another process was faster or that there is no such edge.
    """
    return session.connection().execute(moving(model, to).where(*where).values(**values)).rowcount


@cache
def moving(model: Movable, to: State) -> Update:
    """Return the statement of `move`. The caller adds conditions for the rows, and may cache it for frequent use."""
    return update(table_of(model)).where(may_move(model, to)).values(state=to.value)


def closed() -> dict[str, Any]:
    """Return what a task that is done or cancelled has besides its state: nobody's lease, no time, its end."""
    return {"lease_until": None, "due_at": None, "publish_at": None, "finished_at": db_now()}


def may_move(model: Movable, to: State) -> ColumnElement[bool]:
    """Return the condition that a row's state has an edge to a state."""
    # As literals, because SQLAlchemy expands a list of plain values again at each execution.
    allowed = [literal(source.value) for source in sources_of(to)]
    # An expression, not the column, so that no plan uses an index on the state: few rows may have this state when the
    # statement is planned, and many when it runs.
    return table_of(model).c.state.concat("").in_(allowed)


def reopened() -> dict[str, Any]:
    """Return what a task has besides its state when it is open again: no end, and since when, if it was done."""
    was_done = Task.state == TaskState.DONE.value
    return {"finished_at": None, "reopened_at": case((was_done, db_now()), else_=Task.reopened_at)}
