"""Everything that staff see of one operation: its list, how far it is, why tasks were left out, who did what."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import ItemState, OperationState, TaskKind
from orderapp.errors import NotFound
from orderapp.models import AuditEntry, Operation, OperationItem, Task, db_now
from orderapp.services.backoffice.operation_job import pause_after
from orderapp.services.backoffice.operation_outcomes import Counts, counts_of, outcomes_of
from orderapp.services.backoffice.recent_calls import RecentCalls, recent_calls
from orderapp.services.db.transactions import reading
from orderapp.services.resilience.holdups import Holdup, holdups

# Of each state; what is left are rare texts, and the list of items has them all.
SHOWN_REASONS = 20
SHOWN_ACTS = 100
# The states whose items have a reason that people want to read.
EXPLAINED = (ItemState.LEFT_OUT, ItemState.REFUSED, ItemState.FAILED, ItemState.OPEN)


@dataclass(frozen=True, slots=True)
class Part:
    """The tasks of an operation that do the same at the same system, and are acted on."""

    kind: TaskKind
    system: str
    tasks: int
    calls: RecentCalls | None  # how the system's newest attempts ended; None for a job


@dataclass(frozen=True, slots=True)
class Reason:
    """Why items are in a state, how many there are, and the first one's task."""

    said: str
    items: int
    task_id: int


@dataclass(frozen=True, slots=True)
class OperationFile:
    """An operation with all that its page shows."""

    operation: Operation
    counts: Counts
    parts: Sequence[Part]  # of the tasks whose turn is still to come
    reasons: Mapping[ItemState, Sequence[Reason]]  # the most frequent ones first
    left_seconds: float  # how long the acts on these tasks take at its rate
    work: Task | None  # the newest task of its job; None before the start, and once it is forgotten
    acts: Sequence[AuditEntry]  # what staff did with it, refused acts too, newest first
    holdups: Mapping[str, Holdup]  # what holds up the tasks of systems now, by name
    now: dt.datetime  # when it was read


@dataclass(frozen=True, slots=True)
class TaskOperation:
    """An operation that has, or had, a task on its list, and what became of the task in it."""

    operation: Operation
    item: OperationItem


def find_operation(operation_id: int, settings: Settings) -> OperationFile:
    """Return an operation's file. Transaction: reads only. Raises NotFound."""
    with reading() as session:
        operation = session.get(Operation, operation_id)
        if operation is None:
            raise NotFound(f"There is no operation {operation_id}.")
        parts = _parts(session, operation_id, settings)
        return OperationFile(
            operation=operation,
            counts=counts_of(session, [operation_id])[operation_id],
            parts=parts,
            reasons=_reasons(session, operation_id),
            left_seconds=sum(part.tasks * pause_after(part.system, settings) for part in parts),
            work=session.get(Task, operation.task_id) if operation.task_id is not None else None,
            acts=_acts(session, operation_id),
            holdups=holdups(session),
            now=session.execute(select(db_now())).scalar_one(),
        )


def newest_operations(limit: int) -> Sequence[tuple[Operation, Counts]]:
    """Return the newest operations that were started, each with what became of its tasks. Transaction: reads only."""
    started = Operation.state != OperationState.DRAFT.value
    with reading() as session:
        found = session.scalars(select(Operation).where(started).order_by(Operation.id.desc()).limit(limit)).all()
        counts = outcomes_of(session, found)
        return [(operation, counts[operation.id]) for operation in found]


def operations_of(session: Session, task_id: int) -> Sequence[TaskOperation]:
    """Return the operations that were started with a task on their lists, newest first.

    Transaction: reads only, within the caller's.
    """
    rows = session.execute(
        select(Operation, OperationItem)
        .join(OperationItem, OperationItem.operation_id == Operation.id)
        .where(OperationItem.task_id == task_id, Operation.state != OperationState.DRAFT.value)
        .order_by(Operation.id.desc())
        .limit(SHOWN_ACTS)
    )
    return [TaskOperation(*row) for row in rows]


def _parts(session: Session, operation_id: int, settings: Settings) -> Sequence[Part]:
    same = (OperationItem.kind, OperationItem.system)
    planned = OperationItem.operation_id == operation_id, OperationItem.state == ItemState.PLANNED.value
    found = session.execute(select(*same, func.count()).where(*planned).group_by(*same).order_by(*same)).all()
    systems = {system for _, system, _ in found if system in settings.systems}
    calls = recent_calls(session, systems) if systems else {}
    return [Part(TaskKind(kind), system, tasks, calls.get(system)) for kind, system, tasks in found]


def _reasons(session: Session, operation_id: int) -> Mapping[ItemState, Sequence[Reason]]:
    said, number = func.coalesce(OperationItem.said, ""), func.count()
    rows = session.execute(
        select(OperationItem.state, said, number, func.min(OperationItem.task_id))
        .where(OperationItem.operation_id == operation_id)
        .where(OperationItem.state.in_([state.value for state in EXPLAINED]))
        .group_by(OperationItem.state, said)
        .order_by(number.desc(), said)
        .limit(SHOWN_REASONS * len(EXPLAINED))
    )
    found: defaultdict[ItemState, list[Reason]] = defaultdict(list)
    for state, text, items, task_id in rows:
        found[ItemState(state)].append(Reason(text, items, task_id))
    return {state: reasons[:SHOWN_REASONS] for state, reasons in found.items()}


def _acts(session: Session, operation_id: int) -> Sequence[AuditEntry]:
    on_it = AuditEntry.order_id.is_(None), AuditEntry.subject == f"operation {operation_id}"
    return session.scalars(select(AuditEntry).where(*on_it).order_by(AuditEntry.id.desc()).limit(SHOWN_ACTS)).all()
