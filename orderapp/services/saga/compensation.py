"""Compensation: which tasks undo a placement's steps, and when an order holds nothing any more."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Row, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import (
    HOLDING_STEP_STATES,
    LASTING_KINDS,
    OrderState,
    PlacementState,
    StepState,
    TaskKind,
    TaskState,
)
from orderapp.errors import NotFound
from orderapp.models import ManualResolution, Order, Placement, Step, Task, db_now
from orderapp.services.db.transitions import closed, move, reopened
from orderapp.services.saga.attempts import record_taken_away
from orderapp.services.saga.events import move_order
from orderapp.services.saga.manual_resolutions import end_resolutions
from orderapp.services.saga.new_tasks import new_task
from orderapp.services.saga.news import announce_refund
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

HOLDING = [state.value for state in HOLDING_STEP_STATES]


def plan_compensation(session: Session, order_id: uuid.UUID, placement_id: int, systems: Systems) -> int:
    """Write a compensate task for every step that happened or may have happened, as its row says.

    Transaction: within the caller's, the one that moves the placement to compensating.
    Idempotent because: a placement has at most one compensate task per system (unique).

    Returns:
        How many tasks were written; 0 means that nothing is held.
    """
    steps = session.execute(
        select(Step.id, Step.system, Step.key).where(Step.placement_id == placement_id, Step.state.in_(HOLDING))
    ).all()
    rows = [_compensate_task(order_id, placement_id, systems[step.system], step.key, step.id) for step in steps]
    _write(session, placement_id, rows)
    return len(rows)


def plan_surplus(session: Session, order_id: uuid.UUID, placement_id: int, system: System) -> None:
    """Write a task that takes back all but one effect of a confirmed placement in a query_first system.

    Needed wherever two holders may both have called the system: each accepted call is another effect. In an idempotent
    system the second call has no effect, so there is nothing to do.

    Transaction: within the caller's.
    Idempotent because: the task asks what is in place; with one effect it does nothing. A placement has at most one
        compensate task per system, and that one is restarted.
    """
    if system.guarantee is not Guarantee.QUERY_FIRST:
        return
    step = session.execute(
        select(Step.id, Step.key).where(Step.placement_id == placement_id, Step.system == system.name)
    ).one_or_none()
    settles = (Task.placement_id == placement_id, Task.system == system.name, Task.kind.in_(LASTING_KINDS))
    key = step.key if step else session.execute(select(Task.key).where(*settles)).scalar_one()
    row = _compensate_task(order_id, placement_id, system, key, step.id if step else None)
    # A running call ends within its time-outs, and its effect may appear within the late window after that.
    row["due_at"] = row["publish_at"] = row["absent_from"] = db_now(system.may_appear_for_seconds)
    _write(session, placement_id, [{**row, "keep": 1}])


def plan_reversal(session: Session, order_id: uuid.UUID, placement_id: int, systems: Systems) -> int:
    """Cancel the forward tasks of a cancelled order, and compensate the effects of those that aren't messages.

    Tasks that may still have an effect are compensated too.

    Transaction: within the caller's.

    Returns:
        How many compensate tasks were written.
    """
    forward = (Task.placement_id == placement_id, Task.kind != TaskKind.COMPENSATE.value)
    why = "the order was cancelled"
    record_taken_away(session, *forward)
    # The next fencing token takes the task away from a worker that may be running it.
    move(session, Task, TaskState.CANCELLED, *forward, fencing=Task.fencing + 1, last_message=why, **closed())
    end_resolutions(session, ManualResolution.task_id.in_(select(Task.id).where(*forward)), why)
    # Read this only now, because nobody can claim these tasks any more. A claim is counted before its call, so a task
    # that was never claimed has had no effect.
    touched = session.execute(
        select(Task.system, Task.key, Task.key_used_at).where(*forward, Task.kind.in_(LASTING_KINDS), Task.claims > 0)
    ).all()
    rows = [_compensate_task(order_id, placement_id, systems[task.system], task.key, None) for task in touched]
    for row, task in zip(rows, touched, strict=True):
        # A worker may be in its call right now: the late window starts when that call has ended.
        system = systems[task.system]
        row |= {
            "absent_from": db_now(system.may_appear_for_seconds),
            "key_used_at": task.key_used_at,
        }
    _write(session, placement_id, rows)
    return len(rows)


def close_if_complete(session: Session, order_id: uuid.UUID, placement_id: int, systems: Systems) -> bool:
    """End a compensating placement if it holds nothing any more, and its order if no placement holds anything.

    As soon as the payment of a cancelled order is returned, its customer is told.

    Transaction: within the caller's. It locks the order's row first: if two tasks finish at the same time, the second
        one sees what the first one did.

    Returns:
        Whether the order was closed.
    """
    order = lock_order(session, order_id)
    if order.ends_as == OrderState.CANCELLED.value:
        announce_refund(session, order_id, placement_id, systems)
    if _holds(session, Step.placement_id == placement_id, Task.placement_id == placement_id):
        return False
    move(session, Placement, PlacementState.COMPENSATED, Placement.id == placement_id, decided_at=db_now())
    # A late effect of an earlier placement keeps the order open too.
    if order.state != OrderState.COMPENSATING.value or _holds(
        session, Step.order_id == order_id, Task.order_id == order_id
    ):
        return False
    return move_order(session, order_id, OrderState(order.ends_as))


def _holds(session: Session, steps: ColumnElement[bool], tasks: ColumnElement[bool]) -> bool:
    return bool(session.execute(select(something_held(steps, tasks))).scalar_one())


def something_held(steps: ColumnElement[bool], tasks: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that some of these steps hold something, or some of these compensations aren't done."""
    # Cancelling a compensate task doesn't undo its effect, so a cancelled one counts too.
    unfinished = exists().where(tasks, Task.kind == TaskKind.COMPENSATE.value, Task.state != TaskState.DONE.value)
    return or_(unfinished, exists().where(steps, Step.state.in_(HOLDING)))


def reopen(session: Session, order_id: uuid.UUID, placement_id: int, system: System) -> None:
    """Restart a compensation, because its effect turned out to be in place or may still appear.

    An order that has ended goes back to compensating; an order that continues under a later placement doesn't change.

    Transaction: within the caller's.
    Idempotent because: every statement is a compare-and-set; a task that already waits stays waiting.
    """
    lock_order(session, order_id)
    task = (Task.placement_id == placement_id, Task.system == system.name, Task.kind == TaskKind.COMPENSATE.value)
    # The late window starts again here.
    window = {"absent_from": db_now(system.late_window_seconds), "last_message": "an effect came late"}
    _take_up_again(session, task, system.backoff.attempts, {**window, "due_at": db_now(), "publish_at": db_now()})
    end_resolutions(session, ManualResolution.task_id.in_(select(Task.id).where(*task)), "an effect came late")
    move(session, Step, StepState.UNKNOWN, Step.placement_id == placement_id, Step.system == system.name)
    move(session, Placement, PlacementState.COMPENSATING, Placement.id == placement_id)
    ended = Order.state.in_((OrderState.FAILED.value, OrderState.CANCELLED.value))
    move_order(session, order_id, OrderState.COMPENSATING, ended, ends_as=Order.state)


def take_back(
    session: Session, order_id: uuid.UUID, placement_id: int, system: System, key: str, step_id: int | None
) -> None:
    """Write a task that undoes an effect which must not be in place, whatever our rows say about it.

    Transaction: within the caller's.
    Idempotent because: a placement has at most one compensate task per system, and that one is restarted.
    """
    _write(session, placement_id, [_compensate_task(order_id, placement_id, system, key, step_id)])
    reopen(session, order_id, placement_id, system)


def lock_order(session: Session, order_id: uuid.UUID) -> Row[str, str | None]:
    """Lock the order's row, so that transactions which end or reopen it see each other's changes.

    A transaction that locks an order and one of its tasks must lock the order first, or two of them could deadlock.
    `FOR UPDATE` would wait for every transaction that writes a row with a foreign key to the order, such as an attempt.

    Transaction: within the caller's.

    Returns:
        The order's `state` and `ends_as`.

    Raises:
        NotFound: the order was archived.
    """
    columns = select(Order.state, Order.ends_as).where(Order.id == order_id)
    row = session.execute(columns.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise NotFound(f"There is no order {order_id} any more.")
    return row


def _write(session: Session, placement_id: int, rows: list[dict[str, Any]]) -> None:
    """Write compensate tasks; a task that already exists, for a surplus, is restarted with the row's values."""
    here = (Task.placement_id == placement_id, Task.kind == TaskKind.COMPENSATE.value)
    there = set(session.scalars(select(Task.system).where(*here)))
    new = [row for row in rows if row["system"] not in there]
    if new:
        session.execute(insert(Task).values(new))
    for row in rows:
        if row["system"] in there:
            changed = {
                name: row[name] for name in ("due_at", "publish_at", "absent_from", "keep", "key", "key_used_at")
            }
            _take_up_again(session, (*here, Task.system == row["system"]), row["attempt_limit"], changed)


def _take_up_again(
    session: Session, task: tuple[ColumnElement[bool], ...], attempts: int, values: dict[str, Any]
) -> None:
    """Make a compensate task wait again, in whatever state it is, with this number of further attempts."""
    record_taken_away(session, *task)
    session.execute(
        update(Task)
        .where(*task)
        .values(attempt_limit=Task.attempts + attempts, **values)
        .execution_options(synchronize_session=False)
    )
    # A worker that runs the task now may have asked before the effect appeared, so the task is taken away from it.
    move(session, Task, TaskState.WAITING, *task, fencing=Task.fencing + 1, lease_until=None, **reopened())


def _compensate_task(
    order_id: uuid.UUID, placement_id: int, system: System, key: str, step_id: int | None
) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "placement_id": placement_id,
        "step_id": step_id,
        **new_task(TaskKind.COMPENSATE, system, key),
        "due_at": db_now(),
        "publish_at": db_now(),
        # Our own call has ended by now, so the late window starts here.
        "absent_from": db_now(system.late_window_seconds),
        # The key can't have been used before the placement began.
        "key_used_at": select(Placement.started_at).where(Placement.id == placement_id).scalar_subquery(),
        "created_at": db_now(),
    }
