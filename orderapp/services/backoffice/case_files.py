"""Everything that is known about one order or one task, for the pages of staff."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session, selectinload

from orderapp.domain.states import OPEN_TASK_STATES, OrderState, TaskState
from orderapp.errors import NotFound
from orderapp.models import (
    Attempt,
    AuditEntry,
    Check,
    HeardCallback,
    ManualResolution,
    Mismatch,
    Order,
    Placement,
    Submission,
    Task,
    db_now,
    seconds_until,
)
from orderapp.services.archive.archive import refuse_archived_number
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of
from orderapp.services.backoffice.operation_files import TaskOperation, operations_of
from orderapp.services.db.transactions import reading
from orderapp.services.engine.callbacks import callbacks_of
from orderapp.services.orders.views import OrderView, load_view
from orderapp.services.reconciliation.check_now import checks_of
from orderapp.services.reconciliation.mismatches import of_order
from orderapp.services.resilience.holdups import Holdup, holdups
from orderapp.services.saga.prior_attempts import left_in_doubt

# A task that was requeued for years has many attempts: a page shows this many, and links to older ones.
ATTEMPTS_PER_PAGE = 100
AUDIT_ENTRIES_PER_PAGE = 100
CALLBACKS_PER_PAGE = 100
CHECKS_PER_PAGE = 50
SWITCHINGS_PER_PAGE = 50
NEED_STAFF = (TaskState.FAILED.value, TaskState.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class OrderFile:
    """An order with all its placements and tasks, its newest attempts and audit entries, newest first."""

    view: OrderView
    placements: Sequence[Placement]
    tasks: Sequence[Task]
    attempts: Sequence[Attempt]
    older_attempts: bool  # whether there are older attempts than those in `attempts`
    audit_entries: Sequence[AuditEntry]
    lease_left_seconds: float | None  # how long a submission still holds the order; None if none does
    resolutions: Sequence[ManualResolution]  # the manual resolutions of its effects, newest first
    doubtful_task_ids: frozenset[int]  # the tasks with an unknown outcome, which may have caused their effect
    mismatches: Sequence[Mismatch]  # the mismatches that reconciliation found, newest first
    holdups: Mapping[str, Holdup]  # what holds up the tasks of systems now, by name
    callbacks: Sequence[HeardCallback]  # what partners have told us about it, newest first
    checks: Sequence[Check]  # what staff have had asked about its effects, newest first
    switchings: Sequence[AuditEntry]  # how staff switched its systems since it was ordered, newest first
    circumstances: Mapping[int, Circumstances]  # what decides which acts staff may do, for tasks that need them
    now: dt.datetime  # when it was read


@dataclass(frozen=True, slots=True)
class AttemptFile:
    """An attempt with its order's number, empty for a job, and its task, None for a call in a request."""

    attempt: Attempt
    order_number: str
    task: Task | None


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A task with its attempts, newest first; `older_than` is the attempt where the next page begins, or None."""

    task: Task
    order_number: str  # empty for a job
    order_state: OrderState | None  # None for a job
    attempts: Sequence[Attempt]
    older_than: int | None
    audit_entries: Sequence[AuditEntry]
    circumstances: Circumstances  # what decides which acts staff may do on the task
    resolutions: Sequence[ManualResolution]  # the manual resolutions of its effect, newest first
    holdups: Mapping[str, Holdup]  # what holds up the tasks of systems now, by name
    callbacks: Sequence[HeardCallback]  # what partners have told us about its order, newest first
    operations: Sequence[TaskOperation]  # the operations that had it on their lists, newest first
    now: dt.datetime  # when it was read


def find_order_file(number: str) -> OrderFile:
    """Return an order's file by its number. Raises NotFound, or Archived with the name of the archive."""
    with reading() as session:
        order_id = session.scalar(select(Order.id).where(Order.number == number))
        if order_id is None:
            refuse_archived_number(session, number)
            raise NotFound(f"There is no order {number}.")
        attempts = _attempts(session, Attempt.order_id == order_id)
        tasks = session.scalars(select(Task).where(Task.order_id == order_id).order_by(Task.id)).all()
        return OrderFile(
            view=load_view(session, order_id),
            placements=session.scalars(
                select(Placement)
                .where(Placement.order_id == order_id)
                .options(selectinload(Placement.steps))
                .order_by(Placement.number.desc())
            ).all(),
            tasks=tasks,
            attempts=attempts[:ATTEMPTS_PER_PAGE],
            older_attempts=len(attempts) > ATTEMPTS_PER_PAGE,
            audit_entries=_audit_entries(session, order_id),
            mismatches=of_order(session, order_id),
            lease_left_seconds=session.scalar(
                select(seconds_until(Submission.lease_until))
                .where(Submission.order_id == order_id, Submission.lease_until.is_not(None))
                .order_by(Submission.id.desc())
                .limit(1)
            ),
            holdups=holdups(session),
            resolutions=_resolutions(session, ManualResolution.order_id == order_id),
            callbacks=callbacks_of(session, order_id, CALLBACKS_PER_PAGE),
            doubtful_task_ids=frozenset(
                session.scalars(select(Task.id).where(Task.order_id == order_id, left_in_doubt()))
            ),
            checks=checks_of(session, order_id, CHECKS_PER_PAGE),
            switchings=_switchings(session, order_id, {attempt.system for attempt in attempts}),
            circumstances=circumstances_of(session, [task.id for task in tasks if task.state in NEED_STAFF]),
            now=session.execute(select(db_now())).scalar_one(),
        )


def find_task_file(task_id: int, before: int | None = None) -> TaskFile:
    """Return a task's file, with attempts older than the attempt `before` if it is given. Raises NotFound."""
    with reading() as session:
        row = session.execute(
            select(Task, Order.number, Order.state)
            .outerjoin(Order, Order.id == Task.order_id)
            .where(Task.id == task_id)
        ).one_or_none()
        if row is None:
            raise NotFound(f"There is no task {task_id}.")
        task, number, state = row
        older = () if before is None else (Attempt.id < before,)
        attempts = _attempts(session, Attempt.task_id == task_id, *older)
        shown = attempts[:ATTEMPTS_PER_PAGE]
        return TaskFile(
            task=task,
            order_number=number or "",
            order_state=OrderState(state) if state else None,
            attempts=shown,
            older_than=shown[-1].id if len(attempts) > ATTEMPTS_PER_PAGE else None,
            audit_entries=_audit_entries_of(session, task),
            circumstances=circumstances_of(session, [task_id])[task_id],
            resolutions=_resolutions(session, ManualResolution.task_id == task_id),
            holdups=holdups(session),
            callbacks=callbacks_of(session, task.order_id, CALLBACKS_PER_PAGE) if task.order_id is not None else (),
            operations=operations_of(session, task_id),
            now=session.execute(select(db_now())).scalar_one(),
        )


def find_attempts(attempt_ids: Sequence[int]) -> Sequence[AttemptFile]:
    """Return attempts of one order, or of one task, in this sequence. Raises NotFound if one is missing, or elsewhere.

    Args:
        attempt_ids: Which, at most a few.
    """
    with reading() as session:
        found = {
            attempt.id: AttemptFile(attempt, number or "", task)
            for attempt, number, task in session.execute(
                select(Attempt, Order.number, Task)
                .outerjoin(Order, Order.id == Attempt.order_id)
                .outerjoin(Task, Task.id == Attempt.task_id)
                .where(Attempt.id.in_(attempt_ids))
            )
        }
    files = [found[attempt_id] for attempt_id in attempt_ids if attempt_id in found]
    # Those of an order are of one history; those without an order are, if their task is the same.
    owners = {file.attempt.order_id or file.attempt.task_id for file in files}
    if len(files) < len(attempt_ids) or len(owners) > 1:
        raise NotFound("There are no such attempts of one order or task.")
    return files


def _attempts(session: Session, *where: ColumnElement[bool]) -> Sequence[Attempt]:
    statement = select(Attempt).where(*where).order_by(Attempt.id.desc()).limit(ATTEMPTS_PER_PAGE + 1)
    return session.scalars(statement).all()


def _resolutions(session: Session, which: ColumnElement[bool]) -> Sequence[ManualResolution]:
    return session.scalars(select(ManualResolution).where(which).order_by(ManualResolution.id.desc())).all()


def _switchings(session: Session, order_id: uuid.UUID, systems: Collection[str]) -> Sequence[AuditEntry]:
    """Return how staff switched systems while an order waited for them: from its beginning to its newest task's end."""
    ordered_at = select(Order.created_at).where(Order.id == order_id).scalar_subquery()
    waits = (
        select(Task.id)
        .where(Task.order_id == order_id, Task.state.in_([state.value for state in OPEN_TASK_STATES]))
        .exists()
    )
    ended_at = select(func.max(Task.finished_at)).where(Task.order_id == order_id).scalar_subquery()
    return session.scalars(
        select(AuditEntry)
        .where(
            AuditEntry.act == "system.switch",
            AuditEntry.refused.is_(None),
            AuditEntry.subject.in_([f"system {name}" for name in systems]),
            AuditEntry.at >= ordered_at,
            or_(waits, AuditEntry.at <= ended_at),
        )
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(SWITCHINGS_PER_PAGE)
    ).all()


def _audit_entries_of(session: Session, task: Task) -> Sequence[AuditEntry]:
    subject = f"task {task.id}"
    if task.order_id is not None:
        return [entry for entry in _audit_entries(session, task.order_id) if entry.subject == subject]
    # A job's task has no order by which its entries could be found.
    of_task = (
        select(AuditEntry)
        .where(AuditEntry.order_id.is_(None), AuditEntry.subject == subject)
        .order_by(AuditEntry.id.desc())
    )
    return session.scalars(of_task.limit(AUDIT_ENTRIES_PER_PAGE)).all()


def _audit_entries(session: Session, order_id: uuid.UUID) -> Sequence[AuditEntry]:
    return session.scalars(
        select(AuditEntry)
        .where(AuditEntry.order_id == order_id)
        .order_by(AuditEntry.id.desc())
        .limit(AUDIT_ENTRIES_PER_PAGE)
    ).all()
