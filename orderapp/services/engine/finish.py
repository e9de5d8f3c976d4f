"""Ends runs as one statement, for what is usual: tasks that are done, and nothing else follows (PostgreSQL only)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Float, Integer, insert, select

from orderapp.domain.states import TaskState
from orderapp.models import Attempt, Task, db_now, table_of
from orderapp.services.db.json_rows import as_json, rows_of
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.db.transitions import moving
from orderapp.services.engine.runs import Ran
from orderapp.services.saga.attempts import TASK_ATTEMPT, task_attempt
from orderapp.services.saga.resolutions import has_unproven_word

_TASKS = table_of(Task).c


def end_at_once(runs: Sequence[Ran]) -> frozenset[int]:
    """Record that these tasks are done, each with its attempt; return the ids of those that were still ours.

    Nothing is written of a task that was taken from us, or that staff have said something of.

    Transaction: one, of one statement.
    Idempotent because: each task is moved only under its fencing token, once.
    If we die here: all of it is there or nothing; what isn't is repeated by whoever claims the tasks next.
    """
    rows = [{**task_attempt(run.held.task, run.one), "fencing": run.held.task.fencing} for run in runs]
    return frozenset(row.task_id for row in _ending().run({"runs": as_json(rows)}))


@cache  # built once: nearly all tasks end here
def _ending() -> ReadyStatement:
    attempts = table_of(Attempt)
    given = rows_of("runs", attempts, TASK_ATTEMPT, further={"since_start_seconds": Float(), "fencing": Integer()})
    run = select(*given.c).cte("run")
    ours = (_TASKS.id == run.c.task_id, _TASKS.fencing == run.c.fencing, _TASKS.state == TaskState.RUNNING.value)
    done = (
        moving(Task, TaskState.DONE)
        .where(*ours, ~has_unproven_word(_TASKS.id))
        .values(
            lease_until=None,
            due_at=None,
            publish_at=None,
            finished_at=db_now(),
            last_code=run.c.code,
            last_message="",
        )
        .returning(_TASKS.id)
        .cte("done")
    )
    columns = [run.c[name] for name in TASK_ATTEMPT]
    rows = select(*columns, db_now(run.c.since_start_seconds)).join_from(run, done, done.c.id == run.c.task_id)
    recorded = insert(attempts).from_select([*TASK_ATTEMPT, "started_at"], rows)
    return ReadyStatement(recorded.returning(attempts.c.task_id))
