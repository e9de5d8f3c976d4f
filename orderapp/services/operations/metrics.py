"""Metrics: what isn't finished, for how long, and how the systems answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from orderapp.domain.states import FINAL_ORDER_STATES, OPEN_TASK_STATES, MismatchState, OrderState
from orderapp.models import Attempt, Circuit, CircuitState, Mismatch, Order, Task, db_now, seconds_until
from orderapp.services.access.refused_requests import read_refusals
from orderapp.services.db.transactions import reading
from orderapp.services.engine.claim_plan import claimable
from orderapp.services.resilience.circuit_breakers import closed_for_tasks
from orderapp.services.resilience.skipped_items import skipped_by_kind
from orderapp.services.webhooks.health import tally

# Long enough for several calls to a rarely used system, short enough to show an outage while it lasts.
WINDOW_SECONDS = 300
OPEN_ORDER_STATES = tuple(state.value for state in OrderState if state not in FINAL_ORDER_STATES)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers in the database now."""

    open_tasks: tuple[tuple[str, str, str, int], ...]  # (kind, system, state, count), for the states that aren't final
    oldest_due_task_seconds: float  # how long the oldest task that a worker could run has been due; 0 if there is none
    # For each state that isn't final, the count of orders, and for how many seconds the oldest one hasn't changed.
    open_orders: dict[str, tuple[int, float]]
    attempts: tuple[tuple[str, str, int], ...]  # (system or job, outcome, count) of the last WINDOW_SECONDS
    circuits: dict[str, str]  # the state of each system's circuit
    open_mismatches: tuple[tuple[str, str, int], ...]  # (system, kind, count) of the mismatches that wait for staff
    # (area, status, code, count) of all requests that were refused or throttled so far.
    refusals: tuple[tuple[str, int, str, int], ...]
    webhooks: Mapping[str, int]  # how many subscriptions to events have each state
    waiting_deliveries: int  # events that wait to be sent, once for each subscription; at most CAP
    skipped: dict[str, int]  # the count of items of each kind that raise now and are skipped


def read_numbers(systems: Iterable[str], jobs: Iterable[str] = ()) -> Numbers:
    """Return the numbers. Each query uses an index on unfinished or new rows, so old rows don't make it slower.

    Args:
        systems: The names of all systems, the first column of the attempts' index.
        jobs: The names of all jobs.

    Raises:
        DatabaseUnavailable: nothing can be counted at present.
    """
    names = tuple(systems)
    runnable = (*names, *jobs)
    with reading() as session:
        oldest = oldest_due(session, runnable)
        webhooks, waiting = tally(session)
        return Numbers(
            open_tasks=_open_tasks(session),
            oldest_due_task_seconds=oldest[0] if oldest else 0.0,
            open_orders=_open_orders(session),
            attempts=_attempts(session, runnable),
            circuits=_circuits(session, names),
            open_mismatches=_open_mismatches(session),
            refusals=read_refusals(session),
            webhooks=webhooks,
            waiting_deliveries=waiting.number,
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
    """Return for how many seconds the oldest task that a worker could run has been due, and its id; None without one.

    Tasks of a paused, failing or unknown system say nothing about the workers.

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


def _open_mismatches(session: Session) -> tuple[tuple[str, str, int], ...]:
    rows = session.execute(
        select(Mismatch.system, Mismatch.kind, func.count())
        .where(Mismatch.state == MismatchState.OPEN.value)
        .group_by(Mismatch.system, Mismatch.kind)
    )
    return tuple((system, kind, tally) for system, kind, tally in rows)


def _circuits(session: Session, systems: Iterable[str]) -> dict[str, str]:
    states = {row.system: row.state for row in session.execute(select(Circuit.system, Circuit.state))}
    return {name: states.get(name, CircuitState.CLOSED.value) for name in systems}
