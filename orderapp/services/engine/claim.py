"""Claims a task: one statement takes the lease and the fencing token and counts the attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, case, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.orders import Effect, OrderDocument
from orderapp.domain.states import News, TaskKind, TaskState
from orderapp.languages import language
from orderapp.models import Task, db_now, table_of
from orderapp.services.db.prepared_statements import PreparedStatement
from orderapp.services.db.transactions import asking, statements_nest, writing
from orderapp.services.db.transitions import move
from orderapp.services.engine import order_of_work, poison
from orderapp.services.engine.claim_plan import TASK_COLUMNS, TASK_PREFIX, claim_plan, claimable
from orderapp.services.resilience import circuit_breakers, rate_limiter
from orderapp.services.saga.order_documents import ask_document, document_of
from orderapp.services.saga.prior_attempts import Known, ask_known
from orderapp.services.saga.reasons import reason_of, what_stopped
from orderapp.systems.base import System
from orderapp.systems.jobs import Job
from orderapp.systems.registry import Systems

Held = TypeVar("Held")


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that we hold until its lease ends."""

    task: Task
    effect: Effect
    known: Known
    lease_ends_at: float  # on this process's monotonic clock
    probing: bool = False  # its system's circuit isn't closed: this run shows whether the system works again
    turns: rate_limiter.Turns | None = None  # when its calls may be sent, if the system has an agreed rate

    def seconds_left(self) -> float:
        """Return how much of the lease is left."""
        return self.lease_ends_at - time.monotonic()


# Built once, because a second hint for the same task is common, and only runs this.
_DUE = PreparedStatement(
    select(table_of(Task).c.id).where(
        table_of(Task).c.id == bindparam("task"), Task.state == TaskState.WAITING.value, Task.due_at <= db_now()
    )
)


class NotNow(Exception):
    """The claim is rolled back without a trace: too many of the system's tasks run, or what a subclass says."""


class NotBeside(NotNow):
    """Another suspect is running; this one gets its turn soon."""


class NotYet(NotNow):
    """Other tasks of the order have to be done first."""

    def __init__(self, waited_for: list[str]) -> None:
        super().__init__()
        self.waited_for = waited_for


class NotInTurn(NotNow):
    """The system's next free slot is too far away to wait for it."""

    def __init__(self, system: System | Job) -> None:
        super().__init__()
        self.system = system


def claim(task_id: int, settings: Settings) -> Claim | None:
    """Claim a task, if it is due, its system may be called, and no other worker has it.

    Transaction: one, committed here; usually a single statement.
    Idempotent because: the claim is one conditional statement; a second claim of the same task changes no row.
    If we die here: the lease runs out, and the timer makes the task due again; the attempt stays counted.
    """
    lease_ends_at = time.monotonic() + settings.task_lease_seconds
    for held in claim_plainly([task_id], settings):
        return held
    return if_due(task_id, settings, lambda session: _claim_looking_round(session, task_id, settings, lease_ends_at))


def if_due(task_id: int, settings: Settings, take: Callable[[Session], Held | None]) -> Held | None:
    """Claim a task with all checks, if it is due.

    Transaction: one, committed here if the task may run now, and otherwise rolled back without a trace.
    If we die here: as for `claim`.

    Args:
        task_id: The task.
        settings: The systems.
        take: Takes the task; raises NotNow if it may not run now.
    """
    if not _DUE.ask({"task": task_id}):
        return None  # the usual case: another worker has the task or has already run it
    try:
        with writing() as session:
            return take(session)
    except NotBeside:
        poison.publish_soon(task_id)
        return None
    except NotInTurn as refused:
        rate_limiter.tell_in_time(task_id, refused.system)
        return None
    except NotYet as refused:
        order_of_work.put_back(task_id, refused.waited_for, settings.systems)
        return None
    except NotNow:
        return None


def claim_plainly(task_ids: Sequence[int], settings: Settings) -> list[Claim]:
    """Claim those of these tasks that need no further check (see `is_plain`); leave the others to `claim`.

    Transaction: one for all on PostgreSQL, one each on SQLite, committed here.
    Idempotent because, If we die here: as for `claim`.
    """
    lease_ends_at = time.monotonic() + settings.task_lease_seconds
    plain = tuple(system.name for system in settings.systems.values() if is_plain(system))
    lease = {"lease_seconds": settings.task_lease_seconds}
    rows: list[Any] = []
    if len(task_ids) > 1 and statements_nest():
        written = claim_plan(plain, plainly=True, several=True).run({"tasks": sorted(task_ids), **lease})
        rows = list(written["seen"]) if written else []
    else:
        for task_id in task_ids:
            written = claim_plan(plain, plainly=True).run({"task": task_id, **lease})
            rows += written["seen"] if written else []
    by_task = groupby(rows, key=attrgetter(f"{TASK_PREFIX}id"))
    return [_plain_claim(list(of_one), settings.systems, lease_ends_at) for _, of_one in by_task]


def give_back(claims: Sequence[Claim]) -> None:
    """Give back tasks that were not begun: they are due again, and neither the claim nor the attempt counts.

    Transaction: one, committed here.
    Idempotent because: each task is moved once, under its fencing token.
    If we die here: the leases run out, and the timer makes the tasks due again; the attempts stay counted.
    """
    with writing() as session:
        for one in claims:
            ours = (Task.id == one.task.id, Task.fencing == one.task.fencing, Task.state == TaskState.RUNNING.value)
            # Restore the state before the claim, because a claim without a call has no attempt in the history.
            unused = case((Task.claims == 1, None), else_=Task.key_used_at)
            before = {
                "attempts": Task.attempts - 1,
                "claims": Task.claims - 1,
                "lease_until": None,
                "key_used_at": unused,
            }
            move(session, Task, TaskState.WAITING, *ours, publish_at=db_now(), **before)


def is_plain(system: System) -> bool:
    """Whether a claim of this system's tasks reads and changes only the task: they have no limits and wait for none."""
    limits = system.limits
    return not limits.rate_per_second and not limits.concurrency and not system.after


def _plain_claim(rows: Sequence[Any], systems: Systems, lease_ends_at: float) -> Claim:
    task = _task_of(rows[0])
    # Nobody has held or changed it before, so this claim has waited for nobody. Any other needs further statements: one
    # that has waited for the row has seen neither what the last holder wrote nor how the order was changed with it.
    untouched = task.fencing == 1
    document = document_of(rows)
    # An untouched one has no earlier attempts, except a compensation, where its step's attempts count.
    known = Known.of_row(rows[0], doubtful=False, accepted=False, proven=False)
    if not untouched or task.kind == TaskKind.COMPENSATE.value:
        with asking() as connection:
            known = ask_known(connection, task.id)
            document = document if untouched else ask_document(connection, task.its_order_id)
    return Claim(task, _effect(task, document, systems, asking), known, lease_ends_at)


def _effect(
    task: Task, document: OrderDocument, systems: Systems, connected: Callable[[], AbstractContextManager[Connection]]
) -> Effect:
    """Return the task's effect; news of an end come with its reason, which takes one more query."""
    news = News(task.news or News.CONFIRMED)
    if news not in (News.FAILED, News.CANCELLED):
        return Effect(task.key, document, news, at=task.created_at)
    with connected() as connection:
        stopped = what_stopped(connection, task.its_placement_id)
    reason = reason_of(stopped, document.lines, systems, language(document.language))
    return Effect(task.key, document, news, reason, task.created_at)


def _task_of(row: Any) -> Task:
    return Task(**{name: getattr(row, TASK_PREFIX + name) for name in TASK_COLUMNS})


def _claim_looking_round(session: Session, task_id: int, settings: Settings, lease_ends_at: float) -> Claim | None:
    """Claim the task with all checks. Raises NotNow if it may not run now."""
    rows, probing = _take(session, task_id, settings)
    if not rows:
        return None
    task = _task_of(rows[0])
    system = settings.systems[task.system]
    if poison.another_runs(session, task):
        raise NotBeside
    if waited_for := order_of_work.waits_for(session, task, settings.systems):
        raise NotYet(waited_for)
    known = ask_known(session.connection(), task.id)
    several = known.used_before or task.kind == TaskKind.COMPENSATE.value
    turns = turns_of(session, system, system.calls_per_run if several else 1)
    effect = _effect(task, document_of(rows), settings.systems, lambda: nullcontext(session.connection()))
    return Claim(task, effect, known, lease_ends_at, probing, turns)


def _take(session: Session, task_id: int, settings: Settings) -> tuple[Sequence[Any], bool]:
    """Take the task; return its rows, and whether its run probes if the system works again."""
    wanted = {"task": task_id, "lease_seconds": settings.task_lease_seconds}
    known_systems = tuple(settings.systems)
    written = claim_plan(known_systems, plainly=False).run_within(session, wanted)
    if written:
        return written["seen"], False
    # For a task that can't be claimed for another reason this is NULL, so it doesn't use up the right to probe.
    system_of = select(Task.system).where(Task.id == task_id, *claimable(known_systems)).scalar_subquery()
    if not circuit_breakers.take_task_probe(session, system_of):
        return (), False
    probing = claim_plan(known_systems, plainly=False, whatever_the_circuit=True)
    written = probing.run_within(session, wanted)
    return (written["seen"] if written else ()), True


def turns_of(session: Session, system: System | Job, calls: int) -> rate_limiter.Turns | None:
    """Take the slots for a run's calls, None without a rate. Transaction: within the caller's, the claim.

    Raises:
        NotNow: too many tasks run, or the slots are too late.
    """
    if rate_limiter.too_many_run(session, system):
        raise NotNow
    if not system.limits.rate_per_second:
        return None
    turns = rate_limiter.take_turns(session, system, calls, rate_limiter.TASK_AHEAD_SECONDS)
    if turns is None:
        raise NotInTurn(system)
    return turns
