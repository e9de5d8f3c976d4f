"""The newest tasks, and the failed ones of one cause, for the command line."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, func, select

from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Order, Task, holds, seconds_until
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class TaskRow:
    """The summary of a task."""

    id: int
    order_number: str  # empty for a job
    kind: TaskKind
    system: str
    state: TaskState
    attempts: int
    attempt_limit: int
    # Negative once it is overdue; None if it isn't due at any time (running, closed, failed).
    due_in_seconds: float | None
    message: str  # why it waits, or why it needs staff; a system may have written it


def list_tasks(
    limit: int, state: TaskState | None = None, kind: TaskKind | None = None, system: str | None = None
) -> list[TaskRow]:
    """Return the newest tasks, newest first, at most `limit`; only of the given state, kind or system."""
    wanted = {Task.state: state, Task.kind: kind, Task.system: system}
    columns = (
        Task.id,
        Order.number,
        Task.kind,
        Task.system,
        Task.state,
        Task.attempts,
        Task.attempt_limit,
        seconds_until(Task.due_at),
        Task.last_message,
    )
    with reading() as session:
        rows = session.execute(
            select(*columns)
            .outerjoin(Order, Order.id == Task.order_id)
            .where(*(holds(column, value) for column, value in wanted.items() if value is not None))
            .order_by(Task.id.desc())
            .limit(limit)
        ).all()
    return [
        TaskRow(
            id=row[0],
            order_number=row[1] or "",
            kind=TaskKind(row[2]),
            system=row[3],
            state=TaskState(row[4]),
            attempts=row[5],
            attempt_limit=row[6],
            due_in_seconds=None if row[7] is None else float(row[7]),
            message=row[8] or "",
        )
        for row in rows
    ]


def failed_tasks(kind: TaskKind | None = None, system: str | None = None, code: str | None = None) -> Select[int]:
    """Return the statement that selects the ids of failed tasks.

    Args:
        kind: Only of this kind.
        system: Only of this system.
        code: Only with this last code; an empty one means without a code.
    """
    wanted = {Task.state: TaskState.FAILED, Task.kind: kind, Task.system: system}
    narrowed = [holds(column, value) for column, value in wanted.items() if value is not None]
    if code is not None:
        narrowed.append(func.coalesce(Task.last_code, "") == code)
    return select(Task.id).where(*narrowed)
