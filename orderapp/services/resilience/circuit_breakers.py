"""Circuits: an outage is noticed once, by whoever records its failures, and all processes go by it.

closed ── most of the newest calls failed ──► open ◄─────────── a harmless question ──────────► half-open
  ▲                                             │                 fails / is answered                │
  └──────────── a real call works, made by whoever had the right to (an order's or a task's) ◄───────┘

Nothing is written while a system works: failures are counted among the attempts, which are there anyway.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Answer, Outcome
from orderapp.models import Attempt, Circuit, CircuitState, Pace, Task, db_now
from orderapp.services.db.upserts import upsert
from orderapp.systems.base import System

log = structlog.get_logger()

CIRCUIT_OPEN = Answer(
    Outcome.NOT_SENT,
    "circuit_open",
    "it failed too often of late and is given a rest; nothing was sent",
    called=False,
)
# Calls older than this say nothing about now.
WINDOW_SECONDS = 600.0
# While calls hang, an order may try each second whether the system works again. One whose probe has failed gives the
# right back at once: where failures come fast, orders are held back only while another one is trying.
ORDER_PROBE_SECONDS = 1.0
# Tasks' probes use up attempts, so each is followed by a pause twice as long, up to five minutes.
FIRST_PROBE_PAUSE_SECONDS = 1
LONGEST_PROBE_PAUSE_SECONDS = 300
# How often the harmless question is asked: soon enough for tasks to go on within seconds, a load for nobody.
CHECK_SECONDS = 2.0

MAX_REASON = 200  # characters, as long as its column
NOT_CLOSED = Circuit.state != CircuitState.CLOSED.value


def open_if_failing(session: Session, system: System, answer: Answer) -> None:
    """Open a system's circuit if most of its newest calls failed, or if it refuses us altogether.

    Called by whoever has just recorded a failure.

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
    """Open the circuit of a system that refuses us altogether at once; one that is open already says so."""
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
    """Count the failures among the newest calls since the circuit closed; None where there were too few calls."""
    closed_at = select(Circuit.changed_at).where(Circuit.system == system).scalar_subquery()
    newest = (
        select(Attempt.worked)
        .where(
            Attempt.system == system,
            Attempt.worked.is_not(None),
            Attempt.started_at >= db_now(-WINDOW_SECONDS),
            # What failed before it closed is past.
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
    """Lock the circuits of these systems, for whoever changes more than one: so that no two wait for each other.

    Transaction: within the caller's, before any of the circuits and paces is changed.
    """
    which = select(Circuit.system).where(Circuit.system.in_(systems)).order_by(Circuit.system)
    session.execute(which.with_for_update(key_share=True)).all()


def close(session: Session, system: str) -> None:
    """Close a circuit after a probe has worked; what waits for the system is pulled forward from now on.

    Transaction: within the caller's, the one that records the success.
    """
    closing = update(Circuit).where(Circuit.system == system, NOT_CLOSED).values(_recovered())
    if session.connection().execute(closing).rowcount:
        _forget_hold(session, system)
        log.info("circuit.closed", system=system)


def use_again(session: Session, system: str) -> None:
    """Close a circuit by staff's word, open or not, and pull forward what waits. Transaction: within the caller's."""
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
    """What the system said when it failed (Retry-After) is past once it works."""
    session.execute(update(Pace).where(Pace.system == system).values(tasks_held_until=None))


def note_check(session: Session, system: str, *, answers: bool) -> None:
    """Note whether a failing system has answered a harmless question. Transaction: within the caller's."""
    before, after = CircuitState.OPEN, CircuitState.HALF_OPEN
    if not answers:
        before, after = after, before
    # A system that has begun to answer is tried at once, whatever the pause was.
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
    """Take the right to run one task of a system whose circuit isn't closed, if there is one now.

    Transaction: within the caller's, the claim.
    Idempotent because: who takes the right moves it on; a second one finds none.
    If we die here: the next one comes after the pause.
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
    """Take the right to call systems whose circuit isn't closed, for an order; return those it was got for.

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
    """Give back the right to call, so that the next order may. Transaction: within the caller's."""
    session.execute(
        update(Circuit)
        .where(Circuit.system.in_(systems), NOT_CLOSED)
        .values(order_probe_at=db_now())
        .execution_options(synchronize_session=False)
    )


def closed_for_tasks() -> ColumnElement[bool]:
    """Return the condition that a task's system isn't known to fail."""
    return ~select(Circuit.system).where(Circuit.system == Task.system, NOT_CLOSED).exists()
