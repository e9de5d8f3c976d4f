"""The overview that staff see first. All figures are from the same time, and their cost is bounded."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.orm import Session

from orderapp.domain.states import OrderState, TaskState
from orderapp.models import (
    Attempt,
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
from orderapp.services.backoffice import unresolved
from orderapp.services.backoffice.unresolved import UnprovenResolutions
from orderapp.services.db.capped_counts import CAP, Count, capped
from orderapp.services.db.transactions import reading
from orderapp.services.operations.metrics import oldest_due
from orderapp.services.placing import call_order
from orderapp.services.reconciliation.mismatches import OPEN_MISMATCHES
from orderapp.services.reconciliation.runs import Counts, last_reconciliation
from orderapp.services.resilience.holdups import Holdup, holdups
from orderapp.services.resilience.skipped_items import SkippedView, skipped
from orderapp.services.saga.unknown_systems import UnknownSystem, unknown_systems
from orderapp.systems.base import Part, System
from orderapp.systems.registry import Systems

RECENT_ATTEMPTS = 100  # per system: some minutes of a busy day, enough to see a trend
UNFINISHED_ORDERS = (OrderState.PLACING, OrderState.COMPENSATING)
SHOWN_GROUPS = 20  # of failures; a longer list is read on the tasks' page


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed tasks of one kind, system and error, which usually have one cause."""

    kind: str
    system: str
    code: str
    tasks: int
    oldest_at: dt.datetime


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
    # Share of the newest steps that weren't done, 0.0 to 1.0; None for too few steps, and for systems that don't block.
    failure_rate: float | None
    circuit: CircuitView  # its circuit, shared by all processes
    outcomes: Mapping[str, int]  # how the newest attempts ended, by outcome
    tasks: Mapping[TaskState, Count]  # open tasks by state


@dataclass(frozen=True, slots=True)
class Overview:
    """All figures of the overview."""

    tasks: Mapping[TaskState, Count]
    orders: Mapping[OrderState, Count]
    failures: tuple[FailureGroup, ...]  # the largest groups of the oldest CAP failed tasks
    # How long the oldest task that a worker could run has been due; None if there is none. Tasks of a paused or failing
    # system say nothing about the workers.
    overdue_seconds: float | None
    overdue_task_id: int | None
    holdups: Mapping[str, Holdup]  # what holds up the tasks of systems, by name
    resolutions: UnprovenResolutions
    systems: tuple[SystemState, ...]
    mismatch_count: Count
    skipped: Sequence[SkippedView]
    skipped_count: int
    last_reconciliation: tuple[Reconciliation, Counts] | None
    unknown_systems: tuple[UnknownSystem, ...]


def look(systems: Systems) -> Overview:
    """Return the overview. Transaction: reads only."""
    rates = {name: call_order.failure_rate(name) for name, system in systems.items() if system.part is Part.BLOCKING}
    tasks = {state: select(Task.id).where(holds(Task.state, state.value)) for state in TaskState}
    orders = {state: select(Order.id).where(holds(Order.state, state.value)) for state in UNFINISHED_ORDERS}
    with reading() as session:
        skipped_items, skipped_count = skipped(session)
        overdue_seconds, due_task_id = oldest_due(session, systems) or (None, None)
        return Overview(
            tasks=capped(session, tasks),
            orders=capped(session, orders),
            failures=_failures(session),
            overdue_seconds=overdue_seconds,
            overdue_task_id=due_task_id,
            holdups=holdups(session),
            resolutions=unresolved.look(session, systems),
            systems=_system_states(session, systems, rates),
            mismatch_count=capped(session, {"open": OPEN_MISMATCHES})["open"],
            skipped=skipped_items,
            skipped_count=skipped_count,
            last_reconciliation=last_reconciliation(session),
            unknown_systems=unknown_systems(session, systems),
        )


def _failures(session: Session) -> tuple[FailureGroup, ...]:
    failed = (
        select(Task.kind, Task.system, func.coalesce(Task.last_code, "").label("code"), Task.created_at)
        .where(holds(Task.state, TaskState.FAILED.value))
        .order_by(Task.id)
        .limit(CAP)
        .subquery()
    )
    number = func.count().label("number")
    rows = session.execute(
        select(failed.c.kind, failed.c.system, failed.c.code, number, func.min(failed.c.created_at))
        .group_by(failed.c.kind, failed.c.system, failed.c.code)
        .order_by(number.desc(), failed.c.kind, failed.c.system)
        .limit(SHOWN_GROUPS)
    )
    return tuple(FailureGroup(*row) for row in rows)


def _system_states(session: Session, systems: Systems, rates: Mapping[str, float | None]) -> tuple[SystemState, ...]:
    open_states = (TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING)
    counts = capped(
        session,
        {
            (name, state): select(Task.id).where(holds(Task.system, name), holds(Task.state, state.value))
            for name in systems
            for state in open_states
        },
    )
    switches = {row.system: row for row in session.scalars(select(SystemSwitch))}
    circuits = _circuits(session)
    outcomes = _recent_outcomes(session, systems)
    return tuple(
        SystemState(
            system=system,
            mode=SwitchMode(switches[name].mode) if name in switches else SwitchMode.ON,
            mode_reason=switches[name].reason if name in switches else "",
            failure_rate=rates.get(name),
            circuit=circuits.get(name, CircuitView()),
            outcomes=outcomes[name],
            tasks={state: counts[name, state] for state in open_states},
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


def _recent_outcomes(session: Session, systems: Systems) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in systems}
    parts = []
    for name in systems:
        newest = (
            select(Attempt.outcome)
            .where(Attempt.system == name)
            .order_by(Attempt.started_at.desc())
            .limit(RECENT_ATTEMPTS)
            .subquery()
        )
        parts.append(select(literal(name), newest.c.outcome, func.count()).group_by(newest.c.outcome))
    for name, outcome, number in session.execute(union_all(*parts)):
        found[name][outcome] = number
    return found
