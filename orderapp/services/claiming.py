"""Claims a task: one statement takes the lease and the fencing token and counts the attempt."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, Select, and_, bindparam, exists, literal, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from orderapp.config import Settings
from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Attempt, Submission, SwitchMode, SystemSwitch, Task, db_now, seconds_until, table_of
from orderapp.services import circuits, pacing, suspects
from orderapp.services.database import at_once, reading, writing
from orderapp.services.documents import load_document
from orderapp.services.staff_words import has_unproven_word
from orderapp.services.transitions import moving
from orderapp.systems.base import System


@dataclass(frozen=True, slots=True)
class Claim:
    """A task in our hands until its lease ends."""

    task: Task
    effect: Effect
    absent_in_seconds: float  # until "the system shows nothing" proves something; 0 or less once it does
    key_left_seconds: float  # until the system may have forgotten the key
    doubtful: bool  # an earlier attempt may have brought the effect about
    accepted: bool  # an earlier attempt was accepted, to be finished later
    several_holders: bool  # more than one process may have called for the effect
    overridden: bool  # staff have given their word on the effect, and nothing has proved it yet
    probing: bool  # its system's circuit isn't closed: this run shows whether the system works again
    turns: pacing.Turns | None  # when its calls may leave, where the system has an agreed rate
    lease_ends_at: float  # on this process's monotonic clock

    def seconds_left(self) -> float:
        """Return how much of the lease is left."""
        return self.lease_ends_at - time.monotonic()


class _NotNow(Exception):
    """The system's rate or number of running tasks is used up: the claim is rolled back, as if it had never been."""


class _NotBeside(_NotNow):
    """Another suspect runs: this one's turn comes soon."""


def claim(task_id: int, settings: Settings) -> Claim | None:
    """Claim a task, if it is due, its system may be called, and nobody else has it.

    Transaction: one, committed here; mostly of a single statement.
    Idempotent because: the claim is one conditional statement; whoever comes second finds nothing to claim.
    If we die here: the lease runs out, and the timer makes the task due again; the attempt stays counted.
    """
    started = time.monotonic()
    row = _take_at_once(task_id, settings)
    if row is not None:
        with reading() as session:
            return _claim(session, row, settings, started, probing=False)
    try:
        with writing() as session:
            row, probing = _take(session, task_id, settings)
            return None if row is None else _claim(session, row, settings, started, probing=probing)
    except _NotBeside:
        suspects.tell_soon(task_id)
        return None
    except _NotNow:
        return None


def _take_at_once(task_id: int, settings: Settings) -> Row[Any] | None:
    """Take the task where nothing but its own row changes, as is usual: one statement, which commits itself."""
    wanted = {"task": task_id, "lease_seconds": settings.task_lease_seconds}
    with at_once() as session:
        return session.connection().execute(_taking(_plain(settings), alone=True), wanted).one_or_none()


def _plain(settings: Settings) -> tuple[str, ...]:
    """Return the systems whose claims change nothing but the task."""
    return tuple(
        system.name
        for system in settings.systems.values()
        if not system.limits.rate_per_second and not system.limits.concurrency and system.key_window_seconds is None
    )


def _take(session: Session, task_id: int, settings: Settings) -> tuple[Row[Any] | None, bool]:
    """Take the task, whatever else has to be looked at; return it, and whether it shows if its system works again."""
    wanted = {"task": task_id, "lease_seconds": settings.task_lease_seconds}
    known_systems = tuple(settings.systems)
    connection = session.connection()  # rows are all that is wanted, and the session's own way to them costs more
    row = connection.execute(_taking(known_systems), wanted).one_or_none()
    if row is not None:
        return row, False
    # A task that can't be claimed for any other reason has no system here, and so takes no right from others.
    system_of = select(Task.system).where(Task.id == task_id, *_claimable(known_systems)).scalar_subquery()
    if not circuits.take_task_probe(session, system_of):
        return None, False
    return connection.execute(_taking(known_systems, whatever_the_circuit=True), wanted).one_or_none(), True


def _claim(session: Session, row: Row[Any], settings: Settings, started: float, *, probing: bool) -> Claim:
    """Return the claim of a task just taken. _NotNow where it may not be run after all, and has to be put back."""
    task = Task(**row._mapping)
    system = settings.systems[task.system]
    if suspects.another_runs(session, task):
        raise _NotBeside
    if system.key_window_seconds is not None and task.key_dies_at is None:
        dies_at = db_now(system.key_window_seconds)
        session.execute(update(Task).where(Task.id == task.id).values(key_dies_at=dies_at))
    # Asked after the claim: a statement that had waited for the row would not see what its last holder has written.
    known = session.connection().execute(_KNOWN, {"task": task.id}).one()
    return Claim(
        task=task,
        effect=Effect(task.key, load_document(session, task.order_id)),
        absent_in_seconds=float(known.absent_in or 0.0),
        key_left_seconds=inf if known.key_left is None else float(known.key_left),
        doubtful=known.doubtful,
        accepted=known.accepted,
        several_holders=known.holders > 1,
        overridden=known.overridden,
        probing=probing,
        turns=_turns(session, system, task, known.doubtful or known.accepted),
        lease_ends_at=started + settings.task_lease_seconds,
    )


def _claimable(known_systems: tuple[str, ...]) -> tuple[ColumnElement[bool], ...]:
    return (
        Task.state == TaskState.WAITING.value,
        Task.due_at <= db_now(),
        # A process of an older release leaves the tasks of a new system to those that know it.
        Task.system.in_([literal(system) for system in known_systems]),
        ~_switched_off(),
        pacing.not_held(),
    )


@lru_cache(maxsize=8)  # built once: the systems of a process don't change
def _taking(
    systems: tuple[str, ...], *, whatever_the_circuit: bool = False, alone: bool = False
) -> ReturningUpdate[Any]:
    where = _claimable(systems)
    if alone:
        where = (*where, suspects.none())
    if not whatever_the_circuit:
        where = (*where, circuits.closed_for_tasks())
    table = table_of(Task)
    return (
        moving(Task, TaskState.RUNNING)
        .where(table.c.id == bindparam("task"), *where)
        .values(
            lease_until=db_now(bindparam("lease_seconds", type_=Float)),
            attempts=Task.attempts + 1,
            claims=Task.claims + 1,
            fencing=Task.fencing + 1,
            publish_at=None,
        )
        .returning(*table.c)
    )


def _turns(session: Session, system: System, task: Task, tried_before: bool) -> pacing.Turns | None:
    """Take the slots of this run's calls; _NotNow where too many tasks run or the slots come too late."""
    if pacing.too_many_run(session, system):
        raise _NotNow
    if not system.limits.rate_per_second:
        return None
    several = tried_before or task.kind == TaskKind.COMPENSATE.value
    calls = system.calls_per_run if several else 1
    turns = pacing.take_turns(session, system, calls, pacing.TASK_AHEAD_SECONDS)
    if turns is None:
        raise _NotNow
    return turns


def left_in_doubt() -> ColumnElement[bool]:
    """Return the condition that an attempt of a task may have brought its effect about without anybody knowing."""
    return exists().where(
        Attempt.task_id == Task.id, Attempt.outcome == Outcome.UNKNOWN.value, Attempt.number > Task.cleared_claims
    )


def _accepted() -> ColumnElement[bool]:
    """Return the condition that a task's effect was accepted already, to be finished later: else it would be done."""
    done = (Attempt.verb == "act", Attempt.outcome == Outcome.DONE.value)
    return exists().where(Attempt.task_id == Task.id, *done, Attempt.number > Task.cleared_claims)


def _known() -> Select[Any, Any, Any, Any, Any, Any]:
    """Select what earlier attempts, holders and staff's word mean for this one."""
    return (
        select(
            seconds_until(Task.absent_from).label("absent_in"),
            seconds_until(Task.key_dies_at).label("key_left"),
            left_in_doubt().label("doubtful"),
            _accepted().label("accepted"),
            Submission.fencing.label("holders"),
            has_unproven_word(Task.id).label("overridden"),
        )
        .join(Submission, Submission.placement_id == Task.placement_id)
        .where(Task.id == bindparam("task"))
    )


def _switched_off() -> ColumnElement[bool]:
    """Whether staff have paused the task's system, wholly or for what goes forward."""
    forward = Task.kind != TaskKind.COMPENSATE.value
    return exists().where(
        SystemSwitch.system == Task.system,
        or_(
            SystemSwitch.mode == SwitchMode.PAUSED.value,
            and_(SystemSwitch.mode == SwitchMode.COMPENSATE_ONLY.value, forward),
        ),
    )


_KNOWN = _known()  # built once: each claim asks it
