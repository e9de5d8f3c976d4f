"""Freezes the list of an operation before it is shown: which tasks, which of them are left out, and why."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import structlog
from sqlalchemy import ColumnElement, Select, delete, insert, literal, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import ItemState, OperationState
from orderapp.errors import InvalidRequest
from orderapp.models import Operation, OperationItem, Order, Task, db_now, table_of
from orderapp.services.backoffice.circumstances import circumstances_of
from orderapp.services.backoffice.task_acts import TASK_ACTS
from orderapp.services.db.audit import Actor
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import move

log = structlog.get_logger()

MOST_TASKS = 100_000  # frozen within some seconds, the longest that a press of a button may take
CHUNK = 5_000  # tasks at a time: some megabytes of memory
# Whoever prepared a list and went away has forgotten by then what it was for.
DRAFT_KEPT_SECONDS = 86_400.0
DRAFTS_FORGOTTEN = 5  # at a time, by whoever makes a new one
NOT_TAKEN = "Not among them"  # of what chose the tasks: what that chose too
ARCHIVED = "its order was archived"
FROZEN = ("operation_id", "task_id", "kind", "system", "order_number", "state")


def draft(  # noqa: PLR0913 - tests give the last one
    act: str,
    tasks: Select[int],
    chosen: Mapping[str, Any],
    actor: Actor,
    settings: Settings,
    most: int = MOST_TASKS,
) -> int:
    """Freeze the list of tasks for an act, with what is left out; return the operation's id. Nothing is done to them.

    Transaction: one, committed here.
    If we die here: nothing is written.

    Args:
        act: A name in TASK_ACTS.
        tasks: Selects the ids of the tasks; only the oldest ones are taken.
        chosen: What chose them, for people: filters with their values, or how many were ticked.
        actor: Who prepares it.
        settings: The systems and jobs.
        most: How many are taken; if there are more, `chosen` says so under NOT_TAKEN.

    Raises:
        InvalidRequest: there is no such task.
    """
    with writing() as session:
        _forget_old_drafts(session)
        row = {"act": act, "state": OperationState.DRAFT.value, "chosen": json.dumps(chosen), "total": 0}
        who = {"staff_id": actor.staff_id, "actor": actor.name, "created_at": db_now()}
        operation_id = session.execute(insert(Operation).values(**row, **who).returning(Operation.id)).scalar_one()
        total, reached, more = 0, 0, True
        while more and total < most:
            wanted = min(CHUNK, most - total)
            ids = _freeze(session, operation_id, tasks.where(Task.id > reached).limit(wanted))
            if ids:
                _leave_out(session, operation_id, ids, act, settings)
                reached = max(ids)
            total, more = total + len(ids), len(ids) == wanted
        if not total:
            raise InvalidRequest({"task": ["Choose at least one task."]})
        if more and session.scalar(tasks.where(Task.id > reached).limit(1)) is not None:
            chosen = {**chosen, NOT_TAKEN: f"newer ones that match too; one operation takes the oldest {most:,}"}
        ended = {"total": total, "chosen": json.dumps(chosen)}
        session.execute(update(Operation).where(Operation.id == operation_id).values(ended))
    log.info("operation.drafted", operation=operation_id, act=act, tasks=total, by=actor.staff_id)
    return operation_id


def _freeze(session: Session, operation_id: int, tasks: Select[int]) -> Sequence[int]:
    """Write the next part of a list; return their ids."""
    next_ones = tasks.order_by(Task.id).subquery()
    rows = (
        select(literal(operation_id), Task.id, Task.kind, Task.system, Order.number, literal(ItemState.PLANNED.value))
        .join(next_ones, next_ones.c.id == Task.id)
        .outerjoin(Order, Order.id == Task.order_id)
        .order_by(Task.id)
    )
    items = table_of(OperationItem)
    writing_them = insert(items).from_select(FROZEN, rows).returning(items.c.task_id)
    return session.connection().execute(writing_them).scalars().all()


def _leave_out(session: Session, operation_id: int, ids: Sequence[int], act: str, settings: Settings) -> None:
    # These ids are all that the list has from the first to the last of them.
    of_list = OperationItem.operation_id == operation_id, OperationItem.task_id.between(min(ids), max(ids))
    # Rows with a task's columns: to make an object of each would take as long as all the rest.
    columns = table_of(Task).c
    tasks = session.execute(select(*columns).join(OperationItem, OperationItem.task_id == columns.id).where(*of_list))
    seen = circumstances_of(session, select(OperationItem.task_id).where(*of_list))
    out: defaultdict[str, list[int]] = defaultdict(list)
    out[ARCHIVED] = sorted(set(ids) - seen.keys())
    for task in cast(Iterable[Task], tasks):
        objection = TASK_ACTS[act].objection(task, seen[task.id], settings) if task.id in seen else None
        if objection is not None:
            out[objection.text].append(task.id)
    for why, task_ids in out.items():
        these: ColumnElement[bool] = OperationItem.task_id.in_(task_ids)
        if task_ids:
            move(session, OperationItem, ItemState.LEFT_OUT, *of_list, these, said=why[:500])


def _forget_old_drafts(session: Session) -> None:
    too_old = Operation.state == OperationState.DRAFT.value, Operation.created_at < db_now(-DRAFT_KEPT_SECONDS)
    oldest = select(Operation.id).where(*too_old).order_by(Operation.id).limit(DRAFTS_FORGOTTEN)
    if ids := session.scalars(oldest.with_for_update(skip_locked=True)).all():
        session.execute(delete(OperationItem).where(OperationItem.operation_id.in_(ids)))
        session.execute(delete(Operation).where(Operation.id.in_(ids)))
