"""Circuit breakers: the process that records the failures of an outage opens the circuit for all processes.

closed ── most of the newest calls failed ──► open ◄─────────── a harmless question ──────────► half-open
  ▲                                             │                 fails / is answered                │
  └──────────── a real call works: the probe of an order or of a task ◄──────────────────────────────┘

While a system works, nothing is written here: failures are counted from the attempts, which are recorded anyway.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Answer, Outcome
from orderapp.models import Attempt, Circuit, CircuitState, RateSlot, Task, db_now
from orderapp.services.db.upserts import upsert
from orderapp.systems.base import System

log = structlog.get_logger()

CIRCUIT_OPEN = Answer(
    Outcome.NOT_SENT,
    "circuit_open",
    "it failed too often of late and is given a rest; nothing was sent",
    called=False,
)
# Older calls say nothing about the system's present state.
WINDOW_SECONDS = 600.0
# While calls hang, one order per second may probe the system. An order whose probe failed gives the right back
# immediately, so if calls fail fast, orders are refused only while another order is probing.
ORDER_PROBE_SECONDS = 1.0
# A probe by a task uses up an attempt, so the pause doubles after each probe, up to five minutes.
FIRST_PROBE_PAUSE_SECONDS = 1
LONGEST_PROBE_PAUSE_SECONDS = 300
# How often the harmless question is asked: often enough for tasks to continue within seconds, and no load.
CHECK_SECONDS = 2.0

MAX_REASON = 200  # characters, as long as its column
NOT_CLOSED = Circuit.state != CircuitState.CLOSED.value


def open_if_failing(session: Session, system: System, answer: Answer) -> None:
    """Open a system's circuit if most of its newest calls failed, or if it refuses all our calls.

    Call it after recording a failure.

    Transaction: within the caller's, after the attempt was written.
    Idempotent because: only a closed circuit is opened.
    """
    calls = system.limits.circuit_calls
    if not calls:
        return
    if answer.locked_out:
        _open_locked_out(session, system, answer)
        return
    failed = _failed_of_the_newest(session, system.name, calls)
    if failed is None or failed < system.limits.circuit_failure_rate * calls:
        return
    reason = f"{failed} of its newest {calls} calls failed; the last: {answer.message or answer.code}"[:MAX_REASON]
    _open(session, system, reason)


def _open_locked_out(session: Session, system: System, answer: Answer) -> None:
    """Open the circuit of a system that refuses all our calls immediately; if it is open, update its reason."""
    title, mend = system.title, "; mend its address or credentials, its tasks wait and go on by themselves"
    reason = f"{title} {answer.message or answer.code}"[: MAX_REASON - len(mend)] + mend
    saying_so = update(Circuit).where(Circuit.system == system.name, NOT_CLOSED).values(reason=reason)
    if not session.connection().execute(saying_so).rowcount:
        _open(session, system, reason)


def _open(session: Session, system: System, reason: str) -> None:
    values = {
        "state": CircuitState.OPEN.value,
        "changed_at": db_now(),
        "reason": reason,
        "probe_at": db_now(FIRST_PROBE_PAUSE_SECONDS),
        "order_probe_at": db_now(),
        "check_at": db_now(FIRST_PROBE_PAUSE_SECONDS),
        "probe_pause_seconds": FIRST_PROBE_PAUSE_SECONDS,
        "recovered_at": None,
        "pulled_task_id": 0,
        "pulled_until": None,
    }
    if _write(session, system.name, values, Circuit.state == CircuitState.CLOSED.value):
        log.warning("circuit.opened", system=system.name, reason=reason)


def _failed_of_the_newest(session: Session, system: str, calls: int) -> int | None:
    """Count the failures among the newest calls since the circuit closed; None if there were too few calls."""
    closed_at = select(Circuit.changed_at).where(Circuit.system == system).scalar_subquery()
    newest = (
        select(Attempt.worked)
        .where(
            Attempt.system == system,
            Attempt.worked.is_not(None),
            Attempt.started_at >= db_now(-WINDOW_SECONDS),
            # Failures before the circuit closed belong to the previous outage.
            Attempt.started_at > func.coalesce(closed_at, db_now(-WINDOW_SECONDS)),
        )
        .order_by(Attempt.started_at.desc())
        .limit(calls)
        .subquery()
    )
    tally = select(func.count(), func.sum(case((newest.c.worked, 0), else_=1))).select_from(newest)
    total, failed = session.execute(tally).one()
    return int(failed) if total == calls else None


def lock(session: Session, systems: Collection[str]) -> None:
    """Lock the circuits of these systems in sorted order, so that transactions that change several can't deadlock.

    Transaction: within the caller's, before it changes any of the circuits and rate slots.
    """
    which = select(Circuit.system).where(Circuit.system.in_(systems)).order_by(Circuit.system)
    session.execute(which.with_for_update(key_share=True)).all()


def close(session: Session, system: str) -> None:
    """Close a circuit after a successful probe; from now on the tasks that wait for the system are pulled forward.

    Transaction: within the caller's, which records the success.
    """
    closing = update(Circuit).where(Circuit.system == system, NOT_CLOSED).values(_recovered())
    if session.connection().execute(closing).rowcount:
        _forget_hold(session, system)
        log.info("circuit.closed", system=system)


def use_again(session: Session, system: str) -> None:
    """Close a circuit for staff, open or not, and pull forward waiting tasks. Transaction: within the caller's."""
    values = {
        "reason": "",
        "probe_at": db_now(),
        "order_probe_at": db_now(),
        "check_at": db_now(),
        "probe_pause_seconds": FIRST_PROBE_PAUSE_SECONDS,
        **_recovered(),
    }
    _write(session, system, values, None)
    _forget_hold(session, system)


def _forget_hold(session: Session, system: str) -> None:
    """Delete the pause that the system asked for when it failed (Retry-After), because it works again."""
    session.execute(update(RateSlot).where(RateSlot.system == system).values(tasks_held_until=None))


def note_check(session: Session, system: str, *, answers: bool) -> None:
    """Note whether a failing system has answered a harmless question. Transaction: within the caller's."""
    before, after = CircuitState.OPEN, CircuitState.HALF_OPEN
    if not answers:
        before, after = after, before
    # When a system starts to answer, probe it immediately, whatever its pause was.
    values = {"state": after.value, **({"probe_at": db_now()} if answers else {})}
    moving = (
        update(Circuit)
        .where(Circuit.system == system, Circuit.state == before.value)
        .values(values)
        .execution_options(synchronize_session=False)
    )
    if session.connection().execute(moving).rowcount:
        log.info(f"circuit.{after.value}", system=system)


def _recovered() -> dict[str, object]:
    closed = {"state": CircuitState.CLOSED.value, "changed_at": db_now(), "recovered_at": db_now()}
    return {**closed, "pulled_task_id": 0, "pulled_until": None}


def _write(session: Session, system: str, values: dict[str, object], where: ColumnElement[bool] | None) -> bool:
    statement = upsert(session, Circuit, {"system": system, **values}, values, unique="system", where=where)
    return session.execute(statement.returning(Circuit.system)).scalar_one_or_none() is not None


def take_task_probe(session: Session, system: ColumnElement[str]) -> bool:
    """Take the right to probe a system whose circuit isn't closed with one task; return whether we got it.

    Transaction: within the caller's, the claim.
    Idempotent because: taking the right moves its time, so a second claim gets none.
    If we die here: the next probe is possible after the pause.
    """
    longer = 2 * Circuit.probe_pause_seconds
    taking = (
        update(Circuit)
        .where(Circuit.system == system, NOT_CLOSED, Circuit.probe_at <= db_now())
        .values(
            probe_at=db_now(Circuit.probe_pause_seconds),
            probe_pause_seconds=case((longer < LONGEST_PROBE_PAUSE_SECONDS, longer), else_=LONGEST_PROBE_PAUSE_SECONDS),
        )
        .execution_options(synchronize_session=False)
    )
    return session.connection().execute(taking).rowcount == 1


def take_order_probes(session: Session, systems: Collection[str]) -> frozenset[str]:
    """Take the right to probe systems whose circuit isn't closed with an order; return the systems we got it for.

    Transaction: within the caller's.
    If we die here: the right comes back after ORDER_PROBE_SECONDS.
    """
    lock(session, systems)
    taking = (
        update(Circuit)
        .where(Circuit.system.in_(systems), NOT_CLOSED, Circuit.order_probe_at <= db_now())
        .values(order_probe_at=db_now(ORDER_PROBE_SECONDS))
        .returning(Circuit.system)
        .execution_options(synchronize_session=False)
    )
    return frozenset(session.scalars(taking))


def give_back_order_probes(session: Session, systems: Collection[str]) -> None:
    """Give back the right to probe, so that the next order may take it. Transaction: within the caller's."""
    session.execute(
        update(Circuit)
        .where(Circuit.system.in_(systems), NOT_CLOSED)
        .values(order_probe_at=db_now())
        .execution_options(synchronize_session=False)
    )


def closed_for_tasks() -> ColumnElement[bool]:
    """Return the condition that the circuit of a task's system is closed."""
    return ~select(Circuit.system).where(Circuit.system == Task.system, NOT_CLOSED).exists()
