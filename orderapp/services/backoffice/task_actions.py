"""What staff may do about tasks and orders. Each act and its audit row are one transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import ColumnElement, case, update
from sqlalchemy.orm import Session

from orderapp.config import Settings, current_settings
from orderapp.domain.events import EventType
from orderapp.domain.states import LASTING_KINDS, OPEN_TASK_STATES, OrderState, TaskKind, TaskState
from orderapp.errors import DatabaseUnavailable, NotFound, WrongState
from orderapp.models import ManualResolution, Order, Resolution, Task, db_now
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.backoffice.bulk import RowAct, Selection, decided_alone, each
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of, not_wanted_because
from orderapp.services.backoffice.risks import Objection, Risk, refuse, risk_of_requeueing
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import NOT_NOW, reading, writing
from orderapp.services.db.transitions import closed, move
from orderapp.services.engine.poison import LEASE_LAPSED
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.saga.attempts import record_taken_away
from orderapp.services.saga.cancellation import turn_to_cancelled
from orderapp.services.saga.compensation import lock_order
from orderapp.services.saga.events import tell, tell_if_consistent
from orderapp.services.saga.manual_resolutions import end_resolutions, say
from orderapp.systems.base import System
from orderapp.systems.jobs import Job
from orderapp.systems.runs import GivenUp

log = structlog.get_logger()

REQUEUEABLE = frozenset({TaskState.FAILED, TaskState.WAITING, TaskState.CANCELLED})
# The states in which staff may act on a task; whether an act makes sense also depends on its order.
OPEN_TO_ACTS = REQUEUEABLE | OPEN_TASK_STATES
# Giving up a task of these kinds leaves an unresolved effect. A message that isn't sent, or a job, leaves none.
OWING = LASTING_KINDS | {TaskKind.COMPENSATE}


def requeue(
    task_ids: Iterable[int], actor: Actor, reason: str, settings: Settings, despite: Risk | None = None
) -> Selection:
    """Make tasks due now, with as many further attempts as a new task of their system. The history stays.

    Transaction: one per task, committed here, with its audit row, so that one refusal doesn't stop the rest.
    Idempotent because: a task that is requeued again is simply due now.
    If we die here: finished tasks are changed and recorded, the others are unchanged.

    Args:
        task_ids: The tasks, in any sequence.
        actor: Who requeues them.
        reason: Why.
        settings: The systems.
        despite: The risk that the actor has accepted, for one task alone.

    Returns:
        The result for each. Refused are tasks that run, are done, or don't fit their order's state; and, unless the
        risk was accepted, those whose repetition may do something twice or end an order.

    Raises:
        InvalidRequest: the reason isn't acceptable, there is no task or more than MAX_SELECTION, or a risk was accepted
            for several.
    """
    ids = decided_alone(task_ids, despite)
    act = RowAct(Task, "requeue", "Task {} is requeued.")
    return each(act, ids, actor, reason, lambda session, task, _: requeue_task(session, task, actor, settings, despite))


def cancel(task_ids: Iterable[int], actor: Actor, reason: str) -> Selection:
    """Give tasks up; a worker that runs one now loses it. Effects that are owed or may be in place stay unresolved.

    Transaction, Idempotent because, If we die here, Returns, Raises: as for `requeue`.
    """
    act = RowAct(Task, "cancel", "Task {} is given up.")
    return each(act, task_ids, actor, reason, lambda session, task, why: cancel_task(session, task, actor, why))


def cancel_order(order_id: uuid.UUID, actor: Actor, reason: str, settings: Settings) -> None:
    """Cancel a confirmed order: everything it holds is compensated.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such order.
        WrongState: the order isn't confirmed; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with reading() as session:
        order = session.get(Order, order_id)
    if order is None:
        raise NotFound(f"There is no order {order_id}.")
    about = Act("order.cancel", f"order {order.number}", why, order_id)
    with refusals_recorded(actor, about), writing() as session:
        if not turn_to_cancelled(session, order_id, settings.systems):
            raise WrongState("The order is being cancelled already. Nothing was changed.")
        details = {"before": OrderState.CONFIRMED.value, "after": OrderState.COMPENSATING.value}
        audit.write(session, actor, replace(about, details=details))
    wake_relay()
    log.info("order.cancelled", order=order.number, by=actor.staff_id)


def objection_to_requeue(task: Task, seen: Circumstances, settings: Settings) -> Objection | None:
    """Return why a task can't be requeued, or needs its own decision; None if it can be."""
    kind, state = TaskKind(task.kind), TaskState(task.state)
    if refusal := not_wanted_because(task, seen):
        return Objection(refusal)
    if state is TaskState.RUNNING:
        return Objection("a worker has it right now")
    if state not in REQUEUEABLE:
        return Objection(f"it is {state.value}")
    runs = settings.runnable.get(task.system)
    if runs is None:
        return Objection(f"there is no {'job' if kind is TaskKind.JOB else 'system'} {task.system} any more")
    if seen.is_planned and state is TaskState.WAITING:
        # Now, it would take its own time's place, so that nothing ran then.
        return Objection("it runs at its own time; “Run now” on its page runs the job now, beside it")
    # A job is tried again by itself too, so to run it again is no further risk.
    return risk_of_requeueing(task, seen, runs) if isinstance(runs, System) else None


def objection_to_cancel(task: Task) -> Objection | None:
    """Return why a task can't be given up, or None if it can be."""
    state = TaskState(task.state)
    if state in OPEN_TASK_STATES:
        return None
    return Objection(f"it is {'given up' if state is TaskState.CANCELLED else state.value} already")


def make_due(session: Session, task: Task, runs: System | Job, **values: Any) -> int:
    """Make a task due now if it didn't change since it was read, with as many further attempts as a new task.

    A run of a schedule whose time is still to come is due then.

    Transaction: within the caller's.

    Returns:
        1, or 0 if another process was faster.
    """
    due_at = case((Task.scheduled_at > db_now(), Task.scheduled_at), else_=db_now())
    values |= {
        "attempt_limit": Task.attempts + runs.backoff.attempts,
        "due_at": due_at,
        "publish_at": due_at,
        "pending_answers": 0,
        "finished_at": None,
        "fencing": Task.fencing + 1,
    }
    same: tuple[ColumnElement[bool], ...] = (Task.id == task.id, Task.fencing == task.fencing)
    if task.state != TaskState.WAITING.value:
        return move(session, Task, TaskState.WAITING, *same, **values)
    # This is no transition: the task waits as before, but for a shorter time.
    again = update(Task).where(*same, Task.state == TaskState.WAITING.value).values(**values)
    return session.connection().execute(again).rowcount


def requeue_task(
    session: Session, task: Task, actor: Actor, settings: Settings, despite: Risk | None = None
) -> Mapping[str, Any]:
    """Requeue one task; return the details for the audit.

    Transaction: within the caller's, which has to be rolled back if this raises.

    Raises:
        WrongState: it can't be requeued now, or needs a decision on it alone.
    """
    _lock_order_of(session, task)
    session.refresh(task)
    seen = circumstances_of(session, [task.id])[task.id]
    what = f"Task {task.id} can't be requeued"
    refuse(what, objection_to_requeue(task, seen, settings), despite)
    runs = settings.runnable[task.system]
    more: dict[str, Any] = {}
    given_up_forward = task.state == TaskState.CANCELLED.value and task.kind != TaskKind.COMPENSATE.value
    if isinstance(runs, System) and given_up_forward:
        # The task may have been taken from a worker whose call is still running.
        more["absent_from"] = db_now(runs.may_appear_for_seconds)
    # Clear why it failed, which the history keeps; but a task whose worker died stays a suspect until it has run.
    said = {
        "last_code": task.last_code if task.last_code == LEASE_LAPSED else None,
        "last_message": f"requeued by {actor.name}"[:500],
    }
    if not make_due(session, task, runs, **more, **said):
        raise WrongState(f"{what}: it was changed at this very moment. Nothing was changed.")
    given_up = (ManualResolution.task_id == task.id) & (ManualResolution.resolution == Resolution.GIVEN_UP.value)
    end_resolutions(session, given_up, f"taken back by {actor.name}: requeued")
    return {
        "before": {"state": task.state, "attempts": task.attempts, "attempt_limit": task.attempt_limit},
        "after": {"state": TaskState.WAITING.value, "attempt_limit": task.attempts + runs.backoff.attempts},
        **({"despite": despite.value} if despite else {}),
    }


def _lock_order_of(session: Session, task: Task) -> None:
    """Lock the order first: a transaction that cancels or compensates it does so too, before it changes tasks."""
    if task.order_id is not None:
        lock_order(session, task.order_id)


def cancel_task(session: Session, task: Task, actor: Actor, why: str) -> Mapping[str, Any]:
    """Give one task up; return the details for the audit. Transaction, Raises: as for `requeue_task`."""
    _lock_order_of(session, task)
    record_taken_away(session, Task.id == task.id)
    session.refresh(task)
    moved = move(
        session,
        Task,
        TaskState.CANCELLED,
        Task.id == task.id,
        Task.fencing == task.fencing,
        fencing=Task.fencing + 1,
        **closed(),
    )
    if not moved:
        what = f"Task {task.id} can't be given up"
        refuse(what, objection_to_cancel(task), None)
        raise WrongState(f"{what}: it was changed at this very moment. Nothing was changed.")
    if TaskKind(task.kind) in OWING:
        say(session, task, Resolution.GIVEN_UP, actor, why)
        tell(session, task.its_order_id, EventType.UNRESOLVED, effect={"system": task.system, "key": task.key})
    if task.order_id is not None:
        tell_if_consistent(session, task.order_id)
    _tell_job(session, task)
    return {"before": {"state": task.state, "attempts": task.attempts}, "after": {"state": TaskState.CANCELLED.value}}


def _tell_job(session: Session, task: Task) -> None:
    """Let the job end what waits for its task. Its code may be a plugin's, so whatever it raises is a refusal."""
    job = current_settings().jobs.get(task.system)
    if job is None or job.when_given_up is None:
        return
    try:
        # A savepoint, so that what it wrote fails here, and also a failed statement whose error it swallowed.
        with session.begin_nested():
            job.when_given_up(session, GivenUp(json.loads(task.arguments or "{}"), task.key, task.id))
    except (DatabaseUnavailable, *NOT_NOW):
        raise
    except Exception as error:
        log.warning("job.when_given_up_raised", job=job.name, task=task.id, exc_info=error)
        raise WrongState(
            f"Task {task.id} can't be given up: what job {job.name} does then failed ({type(error).__name__}). "
            "Nothing was changed."
        ) from error
