"""What decides whether staff may act on a task, and at what risk. Read in bulk for any number of tasks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, false, func, select, true
from sqlalchemy.orm import Session

from orderapp.domain.states import END_TOLD, News, OrderState, StepState, TaskKind
from orderapp.models import ManualResolution, Order, Placement, Resolution, Step, Task, db_now, seconds_until
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.services.saga.news import REPLACED
from orderapp.services.saga.prior_attempts import left_in_doubt, was_accepted


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about a task and its order."""

    order: OrderState | None  # the state of its order; None for a job, which has none
    order_end: OrderState | None  # the state that its order is in or is becoming; None for a job
    order_number: str  # its order's number; empty for a job
    is_present: bool  # whether its order wasn't tried again since; true for a job
    step: StepState | None  # the state of the step that it compensates; None if it has none
    doubtful: bool  # whether an attempt with an unknown outcome may have caused the effect
    accepted: bool  # whether the system accepted an attempt and finishes it later
    is_planned: bool  # whether it is a run of a schedule whose time is still to come
    key_age_seconds: float  # how long ago its key was first used; 0 if it never was
    given_up_because: str | None  # why staff gave it up, if they did and nothing has been proven since

    @property
    def used_before(self) -> bool:
        """Whether its effect may already be in place."""
        return self.doubtful or self.accepted


def not_wanted_because(task: Task, seen: Circumstances) -> str | None:
    """Return why a task isn't wanted any more as its order is now; None if it is wanted, or is a job's.

    A compensation is always wanted: even a confirmed order may owe one, of a surplus or of a late effect of an earlier
    placement.
    """
    if seen.order is None or task.kind == TaskKind.COMPENSATE.value:
        return None
    if not seen.is_present:
        return "its order was tried again since, so this isn't wanted any more"
    if task.last_code == REPLACED:
        return "another order was placed in its place, so this isn't wanted any more"
    # While an order is compensated, what it becomes decides: “failed” isn't told of one that is being cancelled.
    if seen.order_end is not END_TOLD[News(task.news or News.CONFIRMED)]:
        return f"its order is {seen.order.value}, so this isn't wanted any more"
    return None


def circumstances_of(session: Session, task_ids: Collection[int] | Select[int]) -> dict[int, Circumstances]:
    """Return the circumstances of these tasks, or of those that a statement selects, by id.

    Transaction: reads only, within the caller's.
    """
    given_up_because = (
        select(ManualResolution.reason)
        .where(ManualResolution.task_id == Task.id, ManualResolution.resolution == Resolution.GIVEN_UP.value, UNPROVEN)
        .order_by(ManualResolution.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            Task.id,
            Order.state.label("order_state"),
            case((Order.state == OrderState.COMPENSATING.value, Order.ends_as), else_=Order.state).label("order_end"),
            func.coalesce(Placement.number == Order.placement_number, true()).label("is_present"),
            Order.number,
            Step.state.label("step_state"),
            left_in_doubt().label("doubtful"),
            was_accepted().label("accepted"),
            func.coalesce(Task.scheduled_at > db_now(), false()).label("is_planned"),
            (-seconds_until(Task.key_used_at)).label("key_age"),
            given_up_because.label("given_up_because"),
        )
        .outerjoin(Order, Order.id == Task.order_id)
        .outerjoin(Placement, Placement.id == Task.placement_id)
        .outerjoin(Step, Step.id == Task.step_id)
        .where(Task.id.in_(task_ids))
    )
    return {row.id: _circumstances(row) for row in rows}


def _circumstances(row: Any) -> Circumstances:
    return Circumstances(
        order=OrderState(row.order_state) if row.order_state else None,
        order_end=OrderState(row.order_end) if row.order_end else None,
        order_number=row.number or "",
        is_present=bool(row.is_present),
        step=StepState(row.step_state) if row.step_state else None,
        doubtful=row.doubtful,
        accepted=row.accepted,
        is_planned=bool(row.is_planned),
        key_age_seconds=float(row.key_age or 0.0),
        given_up_because=row.given_up_because,
    )
