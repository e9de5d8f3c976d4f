"""The overview that staff see first. All figures are from the same time, and their cost is bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import OrderState, TaskState
from orderapp.models import (
    Circuit,
    CircuitState,
    Order,
    Reconciliation,
    SwitchMode,
    SystemSwitch,
    Task,
    holds,
    seconds_until,
)
from orderapp.services.backoffice import lanes, unresolved
from orderapp.services.backoffice.failure_groups import FailureGroup, failure_groups
from orderapp.services.backoffice.healing_times import HealingTimes, healing_times
from orderapp.services.backoffice.job_states import OPEN_STATES, JobState, job_states
from orderapp.services.backoffice.lanes import NotRight
from orderapp.services.backoffice.recent_calls import RecentCalls, recent_calls
from orderapp.services.backoffice.samples import Chart, Period, Point, read_chart, recent_points
from orderapp.services.backoffice.unresolved import UnprovenResolutions
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.db.transactions import reading
from orderapp.services.operations.metrics import oldest_due
from orderapp.services.placing import call_order
from orderapp.services.reconciliation.mismatches import OPEN_MISMATCHES
from orderapp.services.reconciliation.runs import Counts, last_reconciliation
from orderapp.services.resilience.holdups import Holdup, holdups
from orderapp.services.resilience.skipped_items import SkippedView, skipped
from orderapp.services.saga.unknown_systems import UnknownSystem, unknown_systems
from orderapp.services.webhooks.health import WebhookView
from orderapp.services.webhooks.health import look as webhooks
from orderapp.systems.base import Part, System
from orderapp.systems.job_registry import Jobs
from orderapp.systems.registry import Systems

NO_JOBS = Jobs()
UNFINISHED_ORDERS = (OrderState.PLACING, OrderState.COMPENSATING)


@dataclass(frozen=True, slots=True)
class CircuitView:
    """A system's circuit: since when and why it isn't closed, and in how many seconds a task tries again."""

    state: CircuitState = CircuitState.CLOSED
    changed_at: dt.datetime | None = None
    reason: str = ""
    probe_in_seconds: float = 0.0
    pulling_forward: bool = False  # it works again, and its waiting tasks are being pulled forward


@dataclass(frozen=True, slots=True)
class SystemState:
    """One external system: its declaration, its switch, its measured figures."""

    system: System
    mode: SwitchMode
    mode_reason: str
    resumes_at: dt.datetime | None  # when the timer uses it again
    circuit: CircuitView  # its circuit, shared by all processes
    calls: RecentCalls  # how its newest attempts ended
    tasks: Mapping[TaskState, Count]  # open tasks by state


@dataclass(frozen=True, slots=True)
class Overview:
    """All figures of the overview."""

    tasks: Mapping[TaskState, Count]
    orders: Mapping[OrderState, Count]
    not_right: NotRight
    chart: Chart
    day: tuple[Point, ...]  # the last day's points, for the trend
    healing: HealingTimes
    failures: tuple[FailureGroup, ...]  # the largest groups of failed tasks
    # How long the oldest task that a worker could run has been due; None if there is none. Tasks of a paused or failing
    # system say nothing about the workers.
    overdue_seconds: float | None
    overdue_task_id: int | None
    holdups: Mapping[str, Holdup]  # what holds up the tasks of systems, by name
    resolutions: UnprovenResolutions
    systems: tuple[SystemState, ...]
    call_order: tuple[str, ...]  # the blocking systems, in the order in which an order calls them now
    jobs: tuple[JobState, ...]
    mismatch_count: Count
    skipped: Sequence[SkippedView]
    skipped_count: int
    last_reconciliation: tuple[Reconciliation, Counts] | None
    unknown_systems: tuple[UnknownSystem, ...]
    webhooks: Sequence[WebhookView]

    @property
    def by_name(self) -> Mapping[str, SystemState]:
        """Return the systems by name."""
        return {one.system.name: one for one in self.systems}


def look(systems: Systems, period: Period = Period.DAY, jobs: Jobs = NO_JOBS) -> Overview:
    """Return the overview, with the chart of a period. Transaction: reads only."""
    blocking = [system for system in systems.values() if system.part is Part.BLOCKING]
    order = tuple(system.name for system in call_order.most_error_prone_first(blocking))
    tasks = {state: select(Task.id).where(holds(Task.state, state.value)) for state in TaskState}
    orders = {state: select(Order.id).where(holds(Order.state, state.value)) for state in UNFINISHED_ORDERS}
    with reading() as session:
        skipped_items, skipped_count = skipped(session)
        overdue_seconds, due_task_id = oldest_due(session, (*systems, *jobs)) or (None, None)
        held, unknown = holdups(session), unknown_systems(session, {*systems, *jobs})
        return Overview(
            tasks=capped(session, tasks),
            orders=capped(session, orders),
            not_right=lanes.look(session, systems, lanes.kept_of(held, [one.name for one in unknown])),
            chart=read_chart(session, period),
            day=recent_points(session),
            healing=healing_times(session),
            failures=failure_groups(session, systems),
            overdue_seconds=overdue_seconds,
            overdue_task_id=due_task_id,
            holdups=held,
            resolutions=unresolved.look(session, systems),
            systems=_system_states(session, systems),
            call_order=order,
            jobs=job_states(session, jobs),
            mismatch_count=capped(session, {"open": OPEN_MISMATCHES})["open"],
            skipped=skipped_items,
            skipped_count=skipped_count,
            last_reconciliation=last_reconciliation(session),
            unknown_systems=unknown,
            webhooks=webhooks(session),
        )


def _system_states(session: Session, systems: Systems) -> tuple[SystemState, ...]:
    counts = capped(
        session,
        {
            (name, state): select(Task.id).where(holds(Task.system, name), holds(Task.state, state.value))
            for name in systems
            for state in OPEN_STATES
        },
    )
    switches = {row.system: row for row in session.scalars(select(SystemSwitch))}
    circuits = _circuits(session)
    calls = recent_calls(session, systems)
    return tuple(
        SystemState(
            system=system,
            mode=SwitchMode(switches[name].mode) if name in switches else SwitchMode.ON,
            mode_reason=switches[name].reason if name in switches else "",
            resumes_at=switches[name].resumes_at if name in switches else None,
            circuit=circuits.get(name, CircuitView()),
            calls=calls[name],
            tasks={state: counts[name, state] for state in OPEN_STATES},
        )
        for name, system in systems.items()
    )


def _circuits(session: Session) -> dict[str, CircuitView]:
    rows = session.execute(
        select(
            Circuit.system,
            Circuit.state,
            Circuit.changed_at,
            Circuit.reason,
            seconds_until(Circuit.probe_at),
            Circuit.recovered_at.is_not(None),
        )
    )
    return {
        name: CircuitView(CircuitState(state), changed_at, reason, max(0.0, float(left)), bool(recovered))
        for name, state, changed_at, reason, left, recovered in rows
    }
