"""Writes attempts: once, never changed, in the transaction that acts on their result."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, FromClause, bindparam, insert, select, true, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import TaskKind, TaskState
from orderapp.domain.verbs import Verb
from orderapp.fast_json import to_json
from orderapp.models import Attempt, Task, db_now, table_of
from orderapp.services.db.json_rows import columns_of, rows_of
from orderapp.services.db.write_plan import Before
from orderapp.services.saga.values import StepResult, Try

TAKEN_AWAY = Answer(
    Outcome.UNKNOWN,
    "taken_away",
    "the task was taken from its worker while that was at it; what came of the call is unknown",
    called=False,
)
TASK_ATTEMPT = ("task_id", "step_id", "system", "number", "verb", "duration_ms", "worker", "outcome",
                "code", "worked", "message", "exchanges")  # fmt: skip
_HOST = socket.gethostname()[:60]
# Built once, on the table. The start is the database's time minus the seconds since the start.
_INSERT_ATTEMPTS = insert(table_of(Attempt)).values(started_at=db_now(bindparam("since_start_seconds", type_=Float)))


def worker_name() -> str:
    """Return the name of this worker: host, process, thread."""
    return f"{_HOST}:{os.getpid()}:{threading.current_thread().name}"[:120]


def record_steps(session: Session, order_id: uuid.UUID, results: list[StepResult]) -> None:
    """Write one attempt per call made in the request. Transaction: within the caller's."""
    rows = [{"order_id": order_id, **row} for row in step_attempts(results)]
    if rows:
        session.execute(_INSERT_ATTEMPTS, rows)


def step_attempts(results: list[StepResult]) -> list[dict[str, Any]]:
    """Return the rows of the calls made in the request, without their order."""
    return [
        {"step_id": result.step.id, "system": result.step.system, "number": number, **_row(one)}
        for result in results
        for number, one in enumerate(result.tries, start=1)
    ]


def recording_steps(before: Before) -> ReturningInsert[Any]:
    """Return `record_steps` as a write of a plan, after its write `order`; the parameter is the list `attempts`."""
    names = [name for name in TASK_ATTEMPT if name != "task_id"]
    return _recording(before, "attempts", names, before["order"].c.id, before["order"])


def recording_runs(before: Before) -> ReturningInsert[Any]:
    """Return the write of the attempts of the tasks in the plan's write `done`; the parameter is the list `runs`."""
    tasks = table_of(Task)

    def of_done(given: FromClause) -> ColumnElement[bool]:
        return (given.c.task_id == tasks.c.id) & tasks.c.id.in_(select(before["done"].c.id))

    return _recording(before, "runs", TASK_ATTEMPT, tasks.c.order_id, tasks, of_done)


def _recording(
    before: Before,
    parameter: str,
    names: Sequence[str],
    order_id: ColumnElement[Any],
    source: FromClause,
    which: Callable[[FromClause], ColumnElement[bool]] = lambda _: true(),
) -> ReturningInsert[Any]:
    attempts = table_of(Attempt)
    columns = {**columns_of(attempts, names), "since_start_seconds": Float()}
    given = rows_of(before.dialect_name, parameter, columns)
    values = [given.c[name] for name in names]
    rows = select(order_id, *values, db_now(given.c.since_start_seconds)).join_from(source, given, which(given))
    inserting = insert(attempts).from_select(["order_id", *names, "started_at"], rows, include_defaults=False)
    return inserting.returning(attempts.c.id, attempts.c.task_id)


def record_attempt(session: Session, task: Task, one: Try) -> None:
    """Write a task's attempt under the number of its claim; it ends a series of equal answers.

    Transaction: within the caller's.
    """
    row, connection = {"order_id": task.order_id, **task_attempt(task, one)}, session.connection()
    if task.repeats:
        ending = update(Task).where(Task.id == task.id, Task.repeats == task.repeats)
        # No row changed: we lost the task, and its next holder has already written the count.
        if connection.execute(ending.values(repeats=0, repeated_at=None)).rowcount:
            row |= {"repeats": task.repeats, "repeated_at": task.repeated_at}
    connection.execute(_INSERT_ATTEMPTS, row)


def says_the_same(session: Session, task: Task, one: Try) -> bool:
    """Return whether a run had the same result as the newest attempt on its effect, and so proves nothing new.

    Transaction: within the caller's.
    """
    # A job has no order in which other tasks could have the same effect.
    beside = (Attempt.order_id == task.order_id, Attempt.system == task.system)
    newest = session.execute(
        select(Attempt.task_id, Attempt.number, Attempt.verb, Attempt.outcome, Attempt.code, Attempt.message)
        .where(*(beside if task.order_id is not None else (Attempt.task_id == task.id,)))
        .order_by(Attempt.id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None or newest.task_id != task.id or newest.number <= task.cleared_claims:
        return False
    row = task_attempt(task, one)
    return all(getattr(newest, name) == row[name] for name in ("verb", "outcome", "code", "message"))


def record_taken_away(session: Session, *which: ColumnElement[bool]) -> None:
    """Write an attempt for each worker that is about to lose one of these tasks: it may be dead and write none.

    A worker that is alive adds its own attempt, under the same number, when it finds that it has lost the task.

    Transaction: within the caller's, before the tasks are moved; from here on nobody else can claim them.
    """
    locked = select(Task).where(*which).order_by(Task.id).with_for_update(key_share=True)
    now = time.monotonic()
    for task in session.scalars(locked, execution_options={"populate_existing": True}).all():
        if task.state == TaskState.RUNNING.value:
            record_attempt(session, task, Try(verb_of(task), TAKEN_AWAY, now, now))


def verb_of(task: Task) -> Verb:
    """Return the verb of a run of which nobody knows what it did last."""
    if task.kind == TaskKind.JOB.value:
        return Verb.RUN
    return Verb.UNDO if task.kind == TaskKind.COMPENSATE.value else Verb.ACT


def task_attempt(task: Task, one: Try) -> dict[str, Any]:
    """Return the row of a task's attempt, without its order: TASK_ATTEMPT and `since_start_seconds`."""
    return {
        "task_id": task.id,
        "step_id": task.step_id,
        "system": task.system,
        "number": task.claims,
        **_row(one),
    }


def _row(one: Try) -> dict[str, Any]:
    answer = one.answer
    return {
        "verb": one.verb.value,
        "since_start_seconds": one.started_at - time.monotonic(),
        "duration_ms": max(0, round((one.ended_at - one.started_at) * 1000)),
        "worker": worker_name(),
        "outcome": answer.outcome.value,
        "code": answer.code[:64],
        "worked": answer.worked,
        "message": answer.message[:500],
        "exchanges": to_json(answer.exchanges),
    }
