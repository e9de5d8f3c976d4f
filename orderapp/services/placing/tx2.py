"""TX2: confirms a placement whose blocking calls all succeeded, and writes its tasks to settle and notify."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, bindparam, insert, select, true, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from orderapp.domain.events import EventType
from orderapp.domain.keys import effect_key
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import News, OrderState, PlacementState, StepState
from orderapp.errors import LeaseLost
from orderapp.models import Order, Placement, Step, Submission, Task, db_now, table_of
from orderapp.services.db.json_rows import as_json, columns_of, rows_of
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import may_move, moving
from orderapp.services.db.write_plan import Before, Write, WritePlan
from orderapp.services.saga import events
from orderapp.services.saga.attempts import recording_steps, step_attempts
from orderapp.services.saga.circuit_feedback import learn_from_steps, nothing_to_learn
from orderapp.services.saga.compensation import plan_surplus
from orderapp.services.saga.new_tasks import new_task
from orderapp.services.saga.values import Confirmed, Held, StepResult
from orderapp.systems.base import Part
from orderapp.systems.registry import Systems

_ORDERS, _PLACEMENTS, _SUBMISSIONS, _TASKS = (table_of(one) for one in (Order, Placement, Submission, Task))
_TASK_COLUMNS = ("kind", "system", "news", "key", "state", "attempts", "attempt_limit", "claims", "fencing",
                 "cleared_claims", "keep")  # fmt: skip


def confirm(held: Held, results: list[StepResult], systems: Systems) -> Confirmed:
    """Confirm the placement after every blocking call succeeded.

    Transaction: one (TX2), committed here: states, history and the tasks to settle and notify, all or none.
    Idempotent because: the transaction checks the lease's fencing token and gives up the lease.
    If we die here: before the commit, recovery decides the placement like any other; after it, the relay finds the
        tasks.

    Returns:
        The written values that the answer needs.

    Raises:
        LeaseLost: another process has taken the placement over; nothing was written.
    """
    tasks = _forward_tasks(held, systems)
    # Of a resumed placement, a surplus may have to be taken back.
    complete = not tasks and not held.resumed
    told = [EventType.CONFIRMED, *([EventType.CONSISTENT] if complete else [])]
    parameters = {
        "held_submission": held.submission_id,
        "held_fencing": held.fencing,
        "attempts": as_json(step_attempts(results)),
        "tasks": as_json(tasks),
        "events": events.events_parameter(told),
        "number_of_events": len(told),
    }
    if not held.resumed and nothing_to_learn(results, held.admission):
        written = _CONFIRMING.run(parameters)
    else:
        with writing() as session:
            written = _CONFIRMING.run_within(session, parameters)
            if written and held.resumed:
                for step in held.steps:
                    plan_surplus(session, held.order_id, held.placement_id, systems[step.system])
                if not tasks:
                    events.tell_if_consistent(session, held.order_id)
            if written:
                learn_from_steps(session, results, held.admission, systems)
    if written is None:
        raise _lost(held)
    [order] = written["order"]
    return Confirmed(
        client_id=order.client_id,
        created_at=order.created_at,
        updated_at=order.updated_at,
        decided_at=written["placement"][0].decided_at,
        tasks=sorted(written["tasks"], key=lambda task: task.id),
    )


def _lease(_: Before) -> ReturningUpdate[Any]:
    """Give up the lease, if it is still ours and the placement can be confirmed.

    Every other transaction that decides a placement also takes or gives up its submission's lease. So nothing of the
    placement can change between this write and the following ones.
    """
    return (
        update(_SUBMISSIONS)
        .where(
            _SUBMISSIONS.c.id == bindparam("held_submission", type_=_SUBMISSIONS.c.id.type),
            _SUBMISSIONS.c.fencing == bindparam("held_fencing", type_=_SUBMISSIONS.c.fencing.type),
            _SUBMISSIONS.c.lease_until.is_not(None),
            _PLACEMENTS.c.id == _SUBMISSIONS.c.placement_id,
            may_move(Placement, PlacementState.CONFIRMED),
            _ORDERS.c.id == _SUBMISSIONS.c.order_id,
            may_move(Order, OrderState.CONFIRMED),
        )
        .values(lease_until=None)
        .returning(_SUBMISSIONS.c.id, _SUBMISSIONS.c.order_id, _SUBMISSIONS.c.placement_id)
    )


def _placement(before: Before) -> ReturningUpdate[Any]:
    ours = _PLACEMENTS.c.id == select(before["lease"].c.placement_id).scalar_subquery()
    confirming = moving(Placement, PlacementState.CONFIRMED).where(ours).values(decided_at=db_now())
    return confirming.returning(_PLACEMENTS.c.id, _PLACEMENTS.c.decided_at)


def _order(before: Before) -> ReturningUpdate[Any]:
    ours = _ORDERS.c.id == select(before["lease"].c.order_id).scalar_subquery()
    number = _ORDERS.c.event_number + bindparam("number_of_events", type_=Integer)
    confirming = moving(Order, OrderState.CONFIRMED).where(ours).values(updated_at=db_now(), event_number=number)
    return confirming.returning(*events.facts(), _ORDERS.c.client_id, _ORDERS.c.created_at, _ORDERS.c.updated_at)


def _steps(before: Before) -> ReturningUpdate[Any]:
    steps = table_of(Step)
    placement = before["placement"].c
    ours = steps.c.placement_id == select(placement.id).scalar_subquery()
    # At the same moment as the placement, whichever database it is, because the answer tells it too.
    decided = {"outcome": Outcome.DONE.value, "code": "", "decided_at": select(placement.decided_at).scalar_subquery()}
    done = moving(Step, StepState.DONE).where(ours).values(decided)
    return done.returning(steps.c.id)


def _new_tasks(before: Before) -> ReturningInsert[Any]:
    order, placement = before["order"], before["placement"]
    given = rows_of(before.dialect_name, "tasks", columns_of(_TASKS, _TASK_COLUMNS))
    values = {
        "order_id": order.c.id,
        "placement_id": placement.c.id,
        "due_at": db_now(),
        "publish_at": db_now(),
        "created_at": db_now(),
        **{name: given.c[name] for name in _TASK_COLUMNS},
    }
    rows = select(*values.values()).join_from(order, placement, true()).join(given, true())
    writing_them = insert(_TASKS).from_select(list(values), rows, include_defaults=False)
    return writing_them.returning(_TASKS.c.id, _TASKS.c.kind, _TASKS.c.system, _TASKS.c.state, _TASKS.c.attempts)


_CONFIRMING = WritePlan(
    Write("lease", _lease),
    Write("placement", _placement),
    Write("order", _order),
    Write("steps", _steps, one=False),
    Write("recorded", recording_steps, one=False),
    Write("events", events.recording, one=False, only_if="order.is_heard"),
    Write("tasks", _new_tasks, one=False),
    returns=("order", "placement", "tasks"),
)


def _lost(held: Held) -> LeaseLost:
    return LeaseLost(f"order {held.document.number}: another holder has taken over, or the placement was decided")


def _forward_tasks(held: Held, systems: Systems) -> list[dict[str, Any]]:
    return [
        new_task(system.part.task_kind, system, effect_key(held.document.number, held.placement_number, system.name))
        for part in (Part.SETTLE, Part.TASK, Part.NOTIFY)
        for system in systems.having(part)
        if News.CONFIRMED in system.tells and system.concerns(held.document)
    ]
