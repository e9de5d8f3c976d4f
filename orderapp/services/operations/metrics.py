"""The numbers that show how the product is doing: what isn't finished, for how long, and how the systems answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from orderapp.domain.states import FINAL_ORDER_STATES, OPEN_TASK_STATES, DriftState, OrderState
from orderapp.models import Attempt, Circuit, CircuitState, Drift, Order, Task, db_now, seconds_until
from orderapp.services.access.refused_requests import read_refusals
from orderapp.services.db.transactions import reading
from orderapp.services.engine.claim_statement import claimable
from orderapp.services.resilience.circuit_breakers import closed_for_tasks
from orderapp.services.resilience.skipped_items import skipped_by_kind

# Long enough to see several calls of a quiet system, short enough to show an outage while it lasts.
WINDOW_SECONDS = 300
OPEN_ORDER_STATES = tuple(state.value for state in OrderState if state not in FINAL_ORDER_STATES)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What stands in the database right now.

    Args:
        open_tasks: (kind, system, state, how many), for the states that aren't final.
        oldest_due_task_seconds: How long the oldest task has been due that a worker could run; 0 where none is.
        open_orders: How many orders are in each state that isn't final, and for how many seconds the one that hasn't
            changed for the longest is as it is.
        attempts: (system, outcome, how many) of the last WINDOW_SECONDS.
        circuits: The state of each system's circuit.
        open_drifts: (system, kind, how many) of the effects that aren't as our rows say, and await staff.
        refusals: (area, status, code, how many) of all requests that were refused or throttled so far.
        skipped: How many items of each kind raise at present, so that the rest goes on without them.

    """

    open_tasks: tuple[tuple[str, str, str, int], ...]
    oldest_due_task_seconds: float
    open_orders: dict[str, tuple[int, float]]
    attempts: tuple[tuple[str, str, int], ...]
    circuits: dict[str, str]
    open_drifts: tuple[tuple[str, str, int], ...]
    refusals: tuple[tuple[str, int, str, int], ...]
    skipped: dict[str, int]


def read_numbers(systems: Iterable[str]) -> Numbers:
    """Count, each by an index over what isn't finished or is new, so the cost doesn't grow with the history.

    Args:
        systems: The names of all systems, by which the attempts' index begins.

    Raises:
        DatabaseUnavailable: nothing can be counted at present.

    """
    names = tuple(systems)
    with reading() as session:
        oldest = oldest_due(session, names)
        return Numbers(
            open_tasks=_open_tasks(session),
            oldest_due_task_seconds=oldest[0] if oldest else 0.0,
            open_orders=_open_orders(session),
            attempts=_attempts(session, names),
            circuits=_circuits(session, names),
            open_drifts=_open_drifts(session),
            refusals=read_refusals(session),
            skipped=skipped_by_kind(session),
        )


def _open_tasks(session: Session) -> tuple[tuple[str, str, str, int], ...]:
    rows = session.execute(
        select(Task.kind, Task.system, Task.state, func.count())
        .where(Task.state.in_([state.value for state in OPEN_TASK_STATES]))
        .group_by(Task.kind, Task.system, Task.state)
    )
    return tuple((kind, system, state, tally) for kind, system, state, tally in rows)


def oldest_due(session: Session, systems: Iterable[str]) -> tuple[float, int] | None:
    """Return for how many seconds the oldest task has been due that a worker could run, and its id; None without one.

    What waits for a paused, failing or unknown system shows nothing about the workers.

    Transaction: within the caller's.
    """
    row = session.execute(
        select(-seconds_until(Task.due_at), Task.id)
        .where(*claimable(tuple(systems)), closed_for_tasks())
        .order_by(Task.due_at, Task.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else (float(row[0]), row[1])


def _open_orders(session: Session) -> dict[str, tuple[int, float]]:
    rows = session.execute(
        select(Order.state, func.count(), seconds_until(func.min(Order.updated_at)))
        .where(Order.state.in_(OPEN_ORDER_STATES))
        .group_by(Order.state)
    )
    found = {state: (tally, max(0.0, -float(left_seconds))) for state, tally, left_seconds in rows}
    return {state: found.get(state, (0, 0.0)) for state in OPEN_ORDER_STATES}


def _attempts(session: Session, systems: Iterable[str]) -> tuple[tuple[str, str, int], ...]:
    rows = session.execute(
        select(Attempt.system, Attempt.outcome, func.count())
        .where(Attempt.system.in_(list(systems)), Attempt.started_at >= db_now(-WINDOW_SECONDS))
        .group_by(Attempt.system, Attempt.outcome)
    )
    return tuple((system, outcome, tally) for system, outcome, tally in rows)


def _open_drifts(session: Session) -> tuple[tuple[str, str, int], ...]:
    rows = session.execute(
        select(Drift.system, Drift.kind, func.count())
        .where(Drift.state == DriftState.OPEN.value)
        .group_by(Drift.system, Drift.kind)
    )
    return tuple((system, kind, tally) for system, kind, tally in rows)


def _circuits(session: Session, systems: Iterable[str]) -> dict[str, str]:
    states = {row.system: row.state for row in session.execute(select(Circuit.system, Circuit.state))}
    return {name: states.get(name, CircuitState.CLOSED.value) for name in systems}
