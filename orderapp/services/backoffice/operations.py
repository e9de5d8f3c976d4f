"""What staff do with an operation: start it, pause it, go on with it, stop it. Each act is audited."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from orderapp.domain.states import OPERATIONS_UNDER_WAY, ItemState, OperationState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Operation, OperationItem, db_now
from orderapp.services.access.refused_acts import record_refusal, refusals_recorded
from orderapp.services.backoffice.operation_drafts import DRAFT_KEPT_SECONDS
from orderapp.services.backoffice.operation_job import carry_out
from orderapp.services.backoffice.operation_outcomes import counts_of
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import move
from orderapp.systems.jobs import enqueue

log = structlog.get_logger()

# Any number that nothing else in this database locks.
_LOCK_OF_STARTS = 2_029_000_003


class UnderWay(WrongState):
    """Another operation does the same to all of these tasks; nothing was started."""

    def __init__(self, text: str, operation_id: int) -> None:
        super().__init__(text)
        self.operation_id = operation_id


def start(operation_id: int, actor: Actor, reason: str) -> None:
    """Have the workers carry out a draft, but for tasks to which another operation under way does the same.

    Transaction: one, committed here: the operation, its job's task, its audit row.
    Idempotent because: a draft is started once, by compare-and-set; starts take turns, so of two that share tasks the
        second one leaves them out.
    If we die here: it is a draft as before, or it is started and the relay finds its task.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such draft any more.
        UnderWay: nothing is left of it, because another operation does the same; both are told so.
        WrongState: somebody has started it already, or everything in it is left out.
    """
    about = Act("operation.start", f"operation {operation_id}", audit.clean_reason(reason))
    try:
        with refusals_recorded(actor, about), writing() as session:
            _take_turns(session)
            operation = _found(session, operation_id)
            _refuse_to_start(session, operation)
            others = _leave_to_others(session, operation)
            counts = counts_of(session, [operation_id])[operation_id]
            if not counts.get(ItemState.PLANNED):
                if others:
                    raise _told(session.get_one(Operation, others[0]))
                raise WrongState("Nothing can be done to these tasks together. Nothing was changed.")
            who = {"staff_id": actor.staff_id, "actor": actor.name, "reason": about.reason, "started_at": db_now()}
            _go_on(session, operation, **who)
            numbers = {state.value: number for state, number in counts.items()}
            details = {"act": operation.act, "tasks": operation.total, **numbers}
            audit.write(session, actor, Act(about.name, about.subject, about.reason, details=details))
    except UnderWay as error:
        # So that the page of the one that goes on tells who wanted the same.
        record_refusal(actor, Act(about.name, f"operation {error.operation_id}", about.reason), str(error))
        raise
    log.info("operation.started", operation=operation_id, by=actor.staff_id)


def pause(operation_id: int, actor: Actor, reason: str) -> None:
    """Let the tasks wait whose turn hasn't come yet; at most one is still acted on.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such operation.
        WrongState: it isn't running.
    """
    with _changing(operation_id, "pause", actor, reason) as (session, operation):
        running = Operation.state == OperationState.RUNNING.value
        if not move(session, Operation, OperationState.PAUSED, Operation.id == operation.id, running):
            raise WrongState(f"Operation {operation.id} isn't running. Nothing was changed.")


def resume(operation_id: int, actor: Actor, reason: str) -> None:
    """Go on with a paused operation. Transaction, Raises: as for `pause`; WrongState if it isn't paused."""
    with _changing(operation_id, "resume", actor, reason) as (session, operation):
        if operation.state != OperationState.PAUSED.value:
            raise WrongState(f"Operation {operation.id} isn't paused. Nothing was changed.")
        _go_on(session, operation)


def stop(operation_id: int, actor: Actor, reason: str) -> None:
    """Do nothing more to the tasks whose turn hasn't come yet; the others are watched until their end.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such operation.
        WrongState: it isn't under way, or everything in it has had its turn.
    """
    with _changing(operation_id, "stop", actor, reason) as (session, operation):
        under_way = operation.state in {state.value for state in OPERATIONS_UNDER_WAY}
        planned = OperationItem.operation_id == operation.id
        if not under_way or not move(session, OperationItem, ItemState.STOPPED, planned, ended_at=db_now()):
            raise WrongState(f"Operation {operation.id} has nothing left to stop. Nothing was changed.")
        if operation.state == OperationState.PAUSED.value:
            _go_on(session, operation)
        operation.stopped_at = session.execute(select(db_now())).scalar_one()


@contextmanager
def _changing(operation_id: int, act: str, actor: Actor, reason: str) -> Iterator[tuple[Session, Operation]]:
    """Open the transaction of an act on an operation, which is locked."""
    about = Act(f"operation.{act}", f"operation {operation_id}", audit.clean_reason(reason))
    with refusals_recorded(actor, about), writing() as session:
        yield session, _found(session, operation_id)
        audit.write(session, actor, about)
    log.info(about.name, operation=operation_id, by=actor.staff_id)


def _take_turns(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":  # SQLite has only one writer at a time
        session.execute(select(func.pg_advisory_xact_lock(_LOCK_OF_STARTS)))


def _found(session: Session, operation_id: int) -> Operation:
    operation = session.scalar(select(Operation).where(Operation.id == operation_id).with_for_update())
    if operation is None:
        raise NotFound(f"There is no operation {operation_id}.")
    return operation


def _refuse_to_start(session: Session, operation: Operation) -> None:
    if operation.state != OperationState.DRAFT.value:
        raise WrongState(f"{operation.actor} has started operation {operation.id} already. It is done once.")
    fresh = Operation.created_at > db_now(-DRAFT_KEPT_SECONDS)
    if not session.scalar(select(Operation.id).where(Operation.id == operation.id, fresh)):
        raise WrongState("This list is older than a day. Nothing was changed; choose the tasks again.")


def _leave_to_others(session: Session, operation: Operation) -> list[int]:
    """Leave out the tasks to which another operation under way does the same; return these operations' ids."""
    its, others, theirs = aliased(OperationItem), aliased(Operation), aliased(OperationItem)
    same = (
        theirs.operation_id == others.id,
        others.act == operation.act,
        others.state.in_([state.value for state in OPERATIONS_UNDER_WAY]),
        theirs.state.in_([ItemState.PLANNED.value, ItemState.ACTED.value]),
    )
    mine = its.operation_id == operation.id, its.state == ItemState.PLANNED.value, its.task_id == theirs.task_id
    found = list(session.scalars(select(others.id).distinct().where(*same, *mine).order_by(others.id)))
    for other in found:
        their_tasks = select(theirs.task_id).join(others, theirs.operation_id == others.id)
        taken = OperationItem.task_id.in_(their_tasks.where(others.id == other, *same))
        of_this = OperationItem.operation_id == operation.id
        move(session, OperationItem, ItemState.LEFT_OUT, of_this, taken, said=f"operation {other} does it already")
    return found


def _told(other: Operation) -> UnderWay:
    since = f"{other.started_at:%H:%M} UTC" if other.started_at is not None else "a moment ago"
    text = f"{other.actor} started the same at {since}: operation {other.id} does it, once. Nothing was added."
    return UnderWay(text, other.id)


def _go_on(session: Session, operation: Operation, **values: object) -> None:
    """Have the job work on an operation from now on; an older run of it ends."""
    turn = operation.turn + 1
    task_id = enqueue(carry_out, session, key=f"{operation.id}:{turn}", operation=operation.id, turn=turn)
    this = Operation.id == operation.id, Operation.turn == operation.turn
    if not move(session, Operation, OperationState.RUNNING, *this, turn=turn, task_id=task_id, **values):
        raise WrongState(f"Operation {operation.id} was changed at this very moment. Nothing was changed.")
