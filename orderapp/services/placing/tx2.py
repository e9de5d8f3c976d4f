"""TX2: confirms a placement whose blocking systems have all done their part, with its tasks to settle and notify."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, bindparam, func, insert, literal, select, true
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from orderapp.domain.keys import effect_key
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, PlacementState, StepState, TaskState
from orderapp.errors import LeaseLost
from orderapp.models import Order, Placement, Step, Task, db_now, table_of
from orderapp.services.db.json_rows import as_json, rows_of
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.db.transactions import statements_nest, writing
from orderapp.services.db.transitions import moving
from orderapp.services.saga.attempts import record_steps, recording_steps_of, step_attempts
from orderapp.services.saga.circuit_feedback import learn_from_steps, nothing_to_learn
from orderapp.services.saga.compensation import plan_surplus
from orderapp.services.saga.submissions import GIVE_UP_LEASE, give_up_lease
from orderapp.services.saga.values import Confirmed, Held, StepResult
from orderapp.systems.base import Part
from orderapp.systems.registry import Systems

DIVISION_BY_ZERO = "22012"  # PostgreSQL's code

# Built once, on the tables: each order needs them.
_CONFIRM_PLACEMENT = (
    moving(Placement, PlacementState.CONFIRMED)
    .where(table_of(Placement).c.id == bindparam("held_placement"))
    .values(decided_at=db_now())
)
_CONFIRM_ORDER = (
    moving(Order, OrderState.CONFIRMED)
    .where(table_of(Order).c.id == bindparam("held_order"))
    .values(updated_at=db_now())
    .returning(
        table_of(Order).c.id, table_of(Order).c.client_id, table_of(Order).c.created_at, table_of(Order).c.updated_at
    )
)
_STEPS_ARE_DONE = (
    moving(Step, StepState.DONE)
    .where(table_of(Step).c.placement_id == bindparam("held_placement"))
    .values(outcome=Outcome.DONE.value, code="", decided_at=db_now())
)
_TASKS = table_of(Task).c
_TASK_COLUMNS = ("kind", "system", "key", "state", "attempts", "attempt_limit", "claims", "fencing", "cleared_claims",
                 "keep")  # fmt: skip
_INSERT_TASKS = (
    insert(table_of(Task))
    .values(due_at=db_now(), publish_at=db_now(), created_at=db_now())
    .returning(_TASKS.id, _TASKS.kind, _TASKS.system, _TASKS.state, _TASKS.attempts, sort_by_parameter_order=True)
)


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
    if statements_nest() and not held.resumed and nothing_to_learn(results, held.admission):
        return _confirm_in_one_statement(held, results, systems)
    with writing() as session:
        order = _confirm_rows(session, held)
        record_steps(session, held.order_id, results)
        rows = _forward_tasks(held, systems)
        tasks = session.connection().execute(_INSERT_TASKS, rows).all() if rows else ()
        if held.resumed:
            for step in held.steps:
                plan_surplus(session, held.order_id, held.placement_id, systems[step.system])
        learn_from_steps(session, results, held.admission, systems)
    return Confirmed(order.client_id, order.created_at, order.updated_at, tuple(tasks))


def _confirm_rows(session: Session, held: Held) -> Any:
    """Give up the lease and move the placement, its order and its steps; return the order's row as it is now."""
    give_up_lease(session, held.submission_id, held.fencing)
    connection, wanted = session.connection(), _held_parameters(held)
    moved = connection.execute(_CONFIRM_PLACEMENT, wanted).rowcount
    order = connection.execute(_CONFIRM_ORDER, wanted).one_or_none() if moved else None
    if order is None:
        raise _lost(held)
    connection.execute(_STEPS_ARE_DONE, wanted)
    return order


def _confirm_in_one_statement(held: Held, results: list[StepResult], systems: Systems) -> Confirmed:
    """Do the same in one statement, for what is usual: nobody held it before us, and nothing is to be learnt."""
    parameters = _held_parameters(held) | {
        "attempts": as_json(step_attempts(results)),
        "tasks": as_json({name: task[name] for name in _TASK_COLUMNS} for task in _forward_tasks(held, systems)),
    }
    try:
        rows = _CONFIRM_IN_ONE.run(parameters)
    except DataError as error:
        if getattr(error.orig, "sqlstate", None) != DIVISION_BY_ZERO:
            raise
        raise _lost(held) from error
    if not rows:
        raise _lost(held)
    tasks = tuple(row for row in rows if row.id is not None)
    return Confirmed(rows[0].client_id, rows[0].created_at, rows[0].updated_at, tasks)


def _confirm_in_one() -> Select[Any]:
    """Return all of it as one statement, each part on condition that the one before has moved its row (PostgreSQL)."""
    lease = GIVE_UP_LEASE.cte("lease")
    placement = _CONFIRM_PLACEMENT.where(select(lease).exists()).returning(table_of(Placement).c.id).cte("placement")
    order = _CONFIRM_ORDER.where(select(placement).exists()).cte("confirmed")
    steps = _STEPS_ARE_DONE.where(select(order).exists()).returning(table_of(Step).c.id).cte("done")
    given = rows_of("tasks", table_of(Task), _TASK_COLUMNS)
    tasks = (
        insert(table_of(Task))
        .from_select(
            ["order_id", "placement_id", "due_at", "publish_at", "created_at", *_TASK_COLUMNS],
            select(order.c.id, placement.c.id, db_now(), db_now(), db_now(), *given.c)
            .join_from(order, placement, true())
            .join(given, true()),
        )
        .returning(_TASKS.id, _TASKS.kind, _TASKS.system, _TASKS.state, _TASKS.attempts)
        .cte("new")
    )
    # A lease given up for an order that could not be confirmed: an error, so that nothing of the statement stays.
    all_or_nothing = (literal(1) // select(func.count()).select_from(order).scalar_subquery()).label("all_or_nothing")
    return (
        select(order.c.client_id, order.c.created_at, order.c.updated_at, *tasks.c, all_or_nothing)
        .join_from(lease, order, true(), isouter=True)
        .join(tasks, true(), isouter=True)
        .order_by(tasks.c.id)
        .add_cte(steps, recording_steps_of(order))
    )


_CONFIRM_IN_ONE = ReadyStatement(_confirm_in_one())


def _held_parameters(held: Held) -> dict[str, Any]:
    return {
        "held_id": held.submission_id,
        "held_fencing": held.fencing,
        "held_placement": held.placement_id,
        "held_order": held.order_id,
    }


def _lost(held: Held) -> LeaseLost:
    return LeaseLost(f"order {held.document.number}: another holder has taken over, or the placement was decided")


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
            "cleared_claims": 0,
            "keep": 0,
        }
        for part in (Part.SETTLE, Part.NOTIFY)
        for system in systems.having(part)
        if system.concerns(held.document)
    ]
