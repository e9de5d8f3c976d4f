"""TX2 and TX3: confirms a placement, or turns it round; the two exclude each other by lease, state and edge."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.orm import Session

from orderapp.domain.keys import effect_key
from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState, PlacementState, StepState, TaskState
from orderapp.errors import LeaseLost
from orderapp.models import Order, Placement, Step, Submission, Task, db_now, table_of
from orderapp.services.compensation import close_if_complete, lock_order, plan_compensation, plan_surplus, reopen
from orderapp.services.database import statements_nest, writing
from orderapp.services.history import record_steps
from orderapp.services.learning import learn_from_steps
from orderapp.services.placement import Held, StepResult, Stopped
from orderapp.services.transitions import move, moving
from orderapp.systems.base import Part, System
from orderapp.systems.registry import Systems

# Built once, on the tables: each order needs them.
_SUBMISSIONS = table_of(Submission).c
_GIVE_UP_LEASE = (
    update(table_of(Submission))
    .where(
        _SUBMISSIONS.id == bindparam("held_id"),
        _SUBMISSIONS.fencing == bindparam("held_fencing"),
        _SUBMISSIONS.lease_until.is_not(None),
    )
    .values(lease_until=None)
    .returning(_SUBMISSIONS.id)
)
_CONFIRM_PLACEMENT = (
    moving(Placement, PlacementState.CONFIRMED)
    .where(table_of(Placement).c.id == bindparam("held_placement"))
    .values(decided_at=db_now())
)
_CONFIRM_ORDER = (
    moving(Order, OrderState.CONFIRMED)
    .where(table_of(Order).c.id == bindparam("held_order"))
    .values(updated_at=db_now())
    .returning(table_of(Order).c.client_id, table_of(Order).c.created_at, table_of(Order).c.updated_at)
)
_STEPS_ARE_DONE = (
    moving(Step, StepState.DONE)
    .where(table_of(Step).c.placement_id == bindparam("held_placement"))
    .values(outcome=Outcome.DONE.value, code="", decided_at=db_now())
)


def _confirm_in_one() -> Select[Any]:
    """Return the four statements as one, each on condition that the one before has moved its row (PostgreSQL only)."""
    lease = _GIVE_UP_LEASE.cte("lease")
    placement = _CONFIRM_PLACEMENT.where(select(lease).exists()).returning(table_of(Placement).c.id).cte("placement")
    order = _CONFIRM_ORDER.where(select(placement).exists()).cte("confirmed")
    steps = _STEPS_ARE_DONE.where(select(order).exists()).returning(table_of(Step).c.id).cte("done")
    return select(order).add_cte(steps)


_CONFIRM_IN_ONE = _confirm_in_one()
_TASKS = table_of(Task).c
_INSERT_TASKS = (
    insert(table_of(Task))
    .values(due_at=db_now(), publish_at=db_now(), created_at=db_now())
    .returning(_TASKS.id, _TASKS.kind, _TASKS.system, _TASKS.state, _TASKS.attempts, sort_by_parameter_order=True)
)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What confirming an order has written of it. `tasks` are the new ones: id, kind, system, state, attempts."""

    client_id: int | None
    created_at: dt.datetime
    updated_at: dt.datetime
    tasks: Sequence[Any]


def confirm(held: Held, results: list[StepResult], systems: Systems) -> Confirmed:
    """Confirm the placement: every blocking system has done its part.

    Transaction: one (TX2), committed here: states, history and the tasks to settle and notify, all or none.
    Idempotent because: the lease's fencing token is checked and given up in the same transaction.
    If we die here: before the commit the placement is repaired like any other; after it the relay finds the tasks.

    Returns:
        What the answer needs of what was written.

    Raises:
        LeaseLost: somebody else has taken the placement over; nothing was written.

    """
    with writing() as session:
        order = _confirm_rows(session, held)
        record_steps(session, held.order_id, results)
        rows = _forward_tasks(held, systems)
        tasks = session.connection().execute(_INSERT_TASKS, rows).all() if rows else ()
        if held.resumed:
            for step in held.steps:
                _take_back_surplus(session, held, systems[step.system])
        learn_from_steps(session, results, held.admission, systems)
    return Confirmed(order.client_id, order.created_at, order.updated_at, tuple(tasks))


def _confirm_rows(session: Session, held: Held) -> Any:
    """Give up the lease and move the placement, its order and its steps; return the order's row as it is now."""
    wanted = {
        "held_id": held.submission_id,
        "held_fencing": held.fencing,
        "held_placement": held.placement_id,
        "held_order": held.order_id,
    }
    connection = session.connection()
    if statements_nest():
        order = connection.execute(_CONFIRM_IN_ONE, wanted).one_or_none()
    else:
        _give_up_lease(session, held.submission_id, held.fencing)
        moved = connection.execute(_CONFIRM_PLACEMENT, wanted).rowcount
        order = connection.execute(_CONFIRM_ORDER, wanted).one_or_none() if moved else None
        connection.execute(_STEPS_ARE_DONE, wanted)
    if order is None:
        raise LeaseLost(f"order {held.document.number}: another holder has taken over, or the placement was decided")
    return order


def turn_round(held: Held, results: list[StepResult], systems: Systems) -> Stopped:
    """Turn the placement round after a step that wasn't done.

    Transaction: one (TX3), committed here: what is known of each step, the history, and a compensate task for each step
        that happened or may have happened. With none of those the order is failed at once.
    Idempotent because, If we die here: as for `confirm`.

    Returns:
        Which system stopped it, and how.

    Raises:
        LeaseLost: somebody else has taken the placement over; nothing was written.

    """
    last = results[-1]
    stopped = Stopped(last.step.system, last.answer.outcome, last.answer.code)
    with writing() as session:
        _give_up_lease(session, held.submission_id, held.fencing)
        for result in results:
            _write_step(session, result)
        if held.resumed:
            # The holder before us may have come further than we did.
            reached = [result.step.id for result in results]
            _doubt_planned_steps(session, held.placement_id, reached)
        record_steps(session, held.order_id, results)
        _turn(session, held.order_id, held.placement_id, stopped, systems)
        learn_from_steps(session, results, held.admission, systems)
    return stopped


def check_back(session: Session, submission: Submission, systems: Systems) -> None:
    """Turn a placement round whose holder died: every step may have happened.

    Transaction: within the caller's, which has just claimed the lapsed lease.
    """
    _doubt_planned_steps(session, submission.placement_id, [])
    stopped = Stopped("", Outcome.UNKNOWN, "interrupted")
    _turn(session, submission.order_id, submission.placement_id, stopped, systems)


def record_too_late(held: Held, results: list[StepResult], systems: Systems) -> None:
    """Record what our calls came to although the placement was taken from us, and compensate what came late.

    If another holder has confirmed it meanwhile, what we called for may be there twice: the surplus is taken back.

    Transaction: one, committed here.
    Idempotent because: reopening is compare-and-set; the history only grows.
    If we die here: the effect is found by reconciliation.
    """
    with writing() as session:
        record_steps(session, held.order_id, results)
        lock_order(session, held.order_id)
        state = session.get_one(Placement, held.placement_id).state
        for result in results:
            if result.state not in (StepState.DONE, StepState.UNKNOWN):
                continue
            system = systems[result.step.system]
            if state in (PlacementState.COMPENSATING.value, PlacementState.COMPENSATED.value):
                reopen(session, held.order_id, held.placement_id, system)
            elif state == PlacementState.CONFIRMED.value:
                _take_back_surplus(session, held, system)


def _take_back_surplus(session: Session, held: Held, system: System) -> None:
    """With keys of ours the second call brings nothing about; with references each accepted one does."""
    if system.guarantee is Guarantee.QUERY_FIRST:
        plan_surplus(session, held.order_id, held.placement_id, system)


def _turn(session: Session, order_id: uuid.UUID, placement_id: int, stopped: Stopped, systems: Systems) -> None:
    planned = plan_compensation(session, order_id, placement_id, systems)
    failure = {
        "failed_system": stopped.system or None,
        "failed_outcome": stopped.outcome.value,
        "failed_code": stopped.code[:64],
        "decided_at": db_now(),
    }
    compensating = PlacementState.COMPENSATING
    moved = move(session, Placement, compensating, Placement.id == placement_id, **failure) and move(
        session,
        Order,
        OrderState.COMPENSATING,
        Order.id == order_id,
        ends_as=OrderState.FAILED.value,
        updated_at=db_now(),
    )
    if not moved:
        raise LeaseLost(f"placement {placement_id} was decided by somebody else")
    if not planned:
        close_if_complete(session, order_id, placement_id)


def _give_up_lease(session: Session, submission_id: int, fencing: int) -> None:
    given_up = session.execute(_GIVE_UP_LEASE, {"held_id": submission_id, "held_fencing": fencing})
    if given_up.one_or_none() is None:
        raise LeaseLost(f"submission {submission_id}: another holder has taken over")


def _write_step(session: Session, result: StepResult) -> None:
    answer = result.answer
    known = {"outcome": answer.outcome.value, "code": answer.code[:64], "decided_at": db_now()}
    if result.state is StepState.PLANNED:
        # Never sent: it stays what it is, with the reason.
        session.execute(update(Step).where(Step.id == result.step.id).values(**known))
    else:
        move(session, Step, result.state, Step.id == result.step.id, **known)


def _doubt_planned_steps(session: Session, placement_id: int, reached: list[int]) -> None:
    move(
        session,
        Step,
        StepState.UNKNOWN,
        Step.placement_id == placement_id,
        Step.state == StepState.PLANNED.value,
        Step.id.not_in(reached),
        outcome=Outcome.UNKNOWN.value,
        code="interrupted",
        decided_at=db_now(),
    )


def _forward_tasks(held: Held, systems: Systems) -> list[dict[str, Any]]:
    return [
        {
            "order_id": held.order_id,
            "placement_id": held.placement_id,
            "kind": system.part.task_kind.value,
            "system": system.name,
            "key": effect_key(held.document.number, held.placement_number, system.name),
            "state": TaskState.WAITING.value,
            "attempts": 0,
            "attempt_limit": system.backoff.attempts,
            "claims": 0,
            "fencing": 0,
        }
        for part in (Part.SETTLE, Part.NOTIFY)
        for system in systems.having(part)
        if system.concerns(held.document)
    ]
