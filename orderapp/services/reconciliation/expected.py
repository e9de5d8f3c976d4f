"""What must be in place according to our rows, key by key. Reconciliation compares it with the systems' answers."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import (
    FINAL_ORDER_STATES,
    HOLDING_STEP_STATES,
    LASTING_KINDS,
    OPEN_TASK_STATES,
    OrderState,
    StepState,
    TaskKind,
    TaskState,
)
from orderapp.models import Order, Placement, Step, Task

OPEN = frozenset(state.value for state in OPEN_TASK_STATES)
FINAL = frozenset(state.value for state in FINAL_ORDER_STATES)
HOLDING = frozenset(state.value for state in HOLDING_STEP_STATES)


@dataclass(frozen=True, slots=True)
class Belief:
    """What our rows say about one key."""

    placement_id: int  # the placement that the key belongs to
    system: str  # the system that is asked
    key: str  # the effect's key
    held: bool  # whether the effect must be in place
    ours: str  # the same as text
    given_up: bool  # whether staff have given up its compensation, so that it may be in place although it must not be
    step_id: int | None  # the step that the effect belongs to; None for a settlement
    used_at: dt.datetime  # the earliest time at which its key may have been used


@dataclass(frozen=True, slots=True)
class EndedOrder:
    """An order that nobody works on any more, with what our rows say about each of its keys."""

    id: uuid.UUID
    number: str
    state: str
    beliefs: tuple[Belief, ...]


@dataclass(frozen=True, slots=True)
class _Work:
    """An order's tasks except its notifications, which leave nothing to compare."""

    settle: Sequence[Task]
    # Compensations by placement and system, without those of a surplus, which say nothing about the remaining effect.
    back: dict[tuple[int, str], Task]
    open: bool


def ended_orders(
    session: Session, order_ids: Sequence[uuid.UUID], apart_from: Collection[int] = ()
) -> list[EndedOrder]:
    """Return those of the orders that nobody works on any more, in the given sequence.

    This includes a compensating order whose compensation was given up: its task is closed, but the effect is
    unresolved.

    Args:
        session: The caller's transaction; four queries.
        order_ids: The orders.
        apart_from: Tasks that don't count as work on their orders.
    """
    columns = select(Order.id, Order.number, Order.state).where(Order.id.in_(order_ids))
    orders = {row.id: row for row in session.execute(columns)}
    steps: dict[uuid.UUID, list[Step]] = defaultdict(list)
    tasks: dict[uuid.UUID, list[Task]] = defaultdict(list)
    # Read the rows again, because this session may hold older values.
    fresh = {"populate_existing": True}
    for step in session.scalars(
        select(Step).where(Step.order_id.in_(order_ids)).order_by(Step.id), execution_options=fresh
    ):
        steps[step.order_id].append(step)
    wanted = select(Task).where(Task.order_id.in_(order_ids), Task.kind != TaskKind.NOTIFY.value).order_by(Task.id)
    for task in session.scalars(wanted, execution_options=fresh):
        tasks[task.its_order_id].append(task)
    began = select(Placement.id, Placement.started_at).where(Placement.order_id.in_(order_ids))
    used_at = {row.id: row.started_at for row in session.execute(began)}
    ended = []
    for order_id in order_ids:
        rows: list[Step | Task] = [*steps[order_id], *tasks[order_id]]
        # An order that is archived between these statements is missing in the later ones.
        if (order := orders.get(order_id)) is None or any(row.placement_id not in used_at for row in rows):
            continue
        work = _sort(tasks[order_id], apart_from)
        if not work.open and (order.state in FINAL or _owes(order.state, work, apart_from)):
            beliefs = _beliefs(order.state, steps[order_id], work, used_at)
            ended.append(EndedOrder(order_id, order.number, order.state, beliefs))
    return ended


def _sort(tasks: Sequence[Task], apart_from: Collection[int]) -> _Work:
    settle = [task for task in tasks if task.kind in LASTING_KINDS]
    back = {
        (task.its_placement_id, task.system): task
        for task in tasks
        if task.kind == TaskKind.COMPENSATE.value and not task.keep
    }
    return _Work(settle, back, any(task.state in OPEN and task.id not in apart_from for task in tasks))


def _owes(state: str, work: _Work, apart_from: Collection[int]) -> bool:
    # An order that is compensating only because of such a task counts as ended.
    return state == OrderState.COMPENSATING.value and any(
        _given_up(task) or task.id in apart_from for task in work.back.values()
    )


def _given_up(task: Task | None) -> bool:
    return task is not None and task.state == TaskState.CANCELLED.value


def _beliefs(
    order_state: str, steps: Sequence[Step], work: _Work, used_at: Mapping[int, dt.datetime]
) -> tuple[Belief, ...]:
    confirmed = order_state == OrderState.CONFIRMED.value
    # A settle task with a step repeats that step's call, and the step already says what must be in place.
    rows: list[Step | Task] = [*steps, *(task for task in work.settle if task.step_id is None)]
    keys_used_at = {task.key: task.key_used_at for task in work.settle if task.key_used_at is not None}

    def since(one: Step | Task) -> dt.datetime:
        return keys_used_at.get(one.key, used_at[_placement_of(one)])

    return tuple(
        Belief(_placement_of(one), one.system, one.key, *judged, used_at=since(one))
        for one in rows
        for judged in [_judge(one, confirmed, work.back.get((_placement_of(one), one.system)))]
    )


def _placement_of(one: Step | Task) -> int:
    return one.its_placement_id if isinstance(one, Task) else one.placement_id


def _judge(one: Step | Task, confirmed: bool, back: Task | None) -> tuple[bool, str, bool, int | None]:
    """Return whether the effect must be in place, the same as text, whether it is given up, and its step."""
    if isinstance(one, Step):
        held = confirmed and one.state == StepState.DONE.value and back is None
        unresolved = _given_up(back) and one.state in HOLDING
        return held, "compensation given up" if unresolved else f"step {one.state}", unresolved, one.id
    # Giving up a task doesn't resolve its effect: a confirmed order must still be settled.
    held = confirmed and back is None
    if _given_up(back):
        return held, "compensation given up", True, None
    if held and one.state == TaskState.CANCELLED.value:
        return held, "settlement given up" if one.kind == TaskKind.SETTLE.value else "task given up", False, None
    return held, f"task {one.state}{', compensated' if back is not None else ''}", False, None
