"""Claims a task: one statement takes the lease and the fencing token and counts the attempt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.orders import Effect
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import Task, db_now, table_of
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.db.transactions import asking, statements_nest, writing
from orderapp.services.db.transitions import move
from orderapp.services.engine import poison
from orderapp.services.engine.claim_batch import take_at_once
from orderapp.services.engine.claim_statement import claimable, taking
from orderapp.services.resilience import circuit_breakers, rate_limiter
from orderapp.services.saga.order_documents import load_document
from orderapp.services.saga.prior_attempts import Known, ask_known
from orderapp.systems.base import System


@dataclass(frozen=True, slots=True)
class Claim:
    """A task in our hands until its lease ends."""

    task: Task
    effect: Effect
    known: Known
    lease_ends_at: float  # on this process's monotonic clock
    probing: bool = False  # its system's circuit isn't closed: this run shows whether the system works again
    turns: rate_limiter.Turns | None = None  # when its calls may leave, where the system has an agreed rate

    def seconds_left(self) -> float:
        """Return how much of the lease is left."""
        return self.lease_ends_at - time.monotonic()


# Built once: of what is told of twice, the second hint finds nothing.
_DUE = ReadyStatement(
    select(table_of(Task).c.id).where(
        table_of(Task).c.id == bindparam("task"), Task.state == TaskState.WAITING.value, Task.due_at <= db_now()
    )
)


class _NotNow(Exception):
    """Too many of the system's tasks run (or as subclasses say): the claim is rolled back, as if it had never been."""


class _NotBeside(_NotNow):
    """Another suspect runs: this one's turn comes soon."""


class _NotInTurn(_NotNow):
    """The system's next slot comes too late to wait for it."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system


def claim(task_id: int, settings: Settings) -> Claim | None:
    """Claim a task, if it is due, its system may be called, and nobody else has it.

    Transaction: one, committed here; mostly of a single statement.
    Idempotent because: the claim is one conditional statement; whoever comes second finds nothing to claim.
    If we die here: the lease runs out, and the timer makes the task due again; the attempt stays counted.
    """
    lease_ends_at = time.monotonic() + settings.task_lease_seconds
    for held in claim_plainly([task_id], settings):
        return held
    if statements_nest() and not _DUE.ask({"task": task_id}):
        return None  # as most that can't be had in that way: somebody else has it, or has had it
    try:
        with writing() as session:
            row, probing = _take(session, task_id, settings)
            return None if row is None else _claim(session, row, settings, lease_ends_at, probing=probing)
    except _NotBeside:
        poison.tell_soon(task_id)
        return None
    except _NotInTurn as refused:
        rate_limiter.tell_in_time(task_id, refused.system)
        return None
    except _NotNow:
        return None


def claim_plainly(task_ids: Sequence[int], settings: Settings) -> list[Claim]:
    """Claim those of these tasks that nothing else has to be looked at for; the others are for `claim`.

    Transaction: one, of one statement, on PostgreSQL; elsewhere nothing is claimed in this way.
    Idempotent because, If we die here: as for `claim`.
    """
    if not statements_nest():
        return []
    lease_ends_at = time.monotonic() + settings.task_lease_seconds
    plain = tuple(system.name for system in settings.systems.values() if is_plain(system))
    return [
        Claim(one.task, Effect(one.task.key, one.document), one.known or _ask_known(one.task.id), lease_ends_at)
        for one in take_at_once(task_ids, settings.task_lease_seconds, plain)
    ]


def give_back(claims: Sequence[Claim]) -> None:
    """Give back tasks that nothing was done for: they are due again, and neither claim nor attempt counts.

    Transaction: one, committed here.
    Idempotent because: each is moved only under its fencing token, once.
    If we die here: the leases run out, and the timer makes the tasks due again; the attempts stay counted.
    """
    with writing() as session:
        for one in claims:
            ours = (Task.id == one.task.id, Task.fencing == one.task.fencing, Task.state == TaskState.RUNNING.value)
            # As it was before: a claim that no call followed has no attempt in the history.
            unused = case((Task.claims == 1, None), else_=Task.key_used_at)
            before = {
                "attempts": Task.attempts - 1,
                "claims": Task.claims - 1,
                "lease_until": None,
                "key_used_at": unused,
            }
            move(session, Task, TaskState.WAITING, *ours, publish_at=db_now(), **before)


def is_plain(system: System) -> bool:
    """Whether a claim of this system's tasks changes nothing but the task, and has nothing else to look at."""
    limits = system.limits
    return not limits.rate_per_second and not limits.concurrency


def _ask_known(task_id: int) -> Known:
    with asking() as connection:
        return ask_known(connection, task_id)


def _take(session: Session, task_id: int, settings: Settings) -> tuple[Row[Any] | None, bool]:
    """Take the task, whatever else has to be looked at; return it, and whether it shows if its system works again."""
    wanted = {"task": task_id, "lease_seconds": settings.task_lease_seconds}
    known_systems = tuple(settings.systems)
    connection = session.connection()  # rows are all that is wanted, and the session's own way to them costs more
    row = connection.execute(taking(known_systems), wanted).one_or_none()
    if row is not None:
        return row, False
    # A task that can't be claimed for any other reason has no system here, and so takes no right from others.
    system_of = select(Task.system).where(Task.id == task_id, *claimable(known_systems)).scalar_subquery()
    if not circuit_breakers.take_task_probe(session, system_of):
        return None, False
    return connection.execute(taking(known_systems, whatever_the_circuit=True), wanted).one_or_none(), True


def _claim(session: Session, row: Row[Any], settings: Settings, lease_ends_at: float, *, probing: bool) -> Claim:
    """Return the claim of a task just taken. _NotNow where it may not be run after all, and has to be put back."""
    task = Task(**row._mapping)
    system = settings.systems[task.system]
    if poison.another_runs(session, task):
        raise _NotBeside
    known = ask_known(session.connection(), task.id)
    effect = Effect(task.key, load_document(session, task.order_id))
    turns = _turns(session, system, task, known.used_before)
    return Claim(task, effect, known, lease_ends_at, probing, turns)


def _turns(session: Session, system: System, task: Task, tried_before: bool) -> rate_limiter.Turns | None:
    """Take the slots of this run's calls; _NotNow where too many tasks run or the slots come too late."""
    if rate_limiter.too_many_run(session, system):
        raise _NotNow
    if not system.limits.rate_per_second:
        return None
    several = tried_before or task.kind == TaskKind.COMPENSATE.value
    calls = system.calls_per_run if several else 1
    turns = rate_limiter.take_turns(session, system, calls, rate_limiter.TASK_AHEAD_SECONDS)
    if turns is None:
        raise _NotInTurn(system)
    return turns
