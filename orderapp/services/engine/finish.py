"""Ends runs of tasks that are done and need no further write, which is usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.sql.dml import ReturningUpdate

from orderapp.domain.states import TaskState
from orderapp.models import Attempt, Task, table_of
from orderapp.services.db.json_rows import as_json, columns_of, rows_of
from orderapp.services.db.transitions import closed, moving
from orderapp.services.db.write_plan import Before, Write, WritePlan
from orderapp.services.engine.ended_run import Ran
from orderapp.services.saga.attempts import recording_runs, task_attempt
from orderapp.services.saga.events import is_heard
from orderapp.services.saga.manual_resolutions import has_unproven_resolution

_TASKS = table_of(Task).c


def finish(runs: Sequence[Ran]) -> frozenset[int]:
    """Record that these tasks are done, each with its attempt; return the ids of those that were still ours.

    Nothing is written for a task that was taken from us or that has an unproven manual resolution, and for none of them
    if somebody subscribes to events: then each run may have to tell that its order is consistent.

    Transaction: one, committed here.
    Idempotent because: each task is moved once, under its fencing token.
    If we die here: everything or nothing is recorded; the next claims repeat what isn't.
    """
    rows = [{**task_attempt(run.held.task, run.one), "fencing": run.held.task.fencing} for run in runs]
    written = _FINISHING.run({"runs": as_json(rows)}) or {}
    return frozenset(row.task_id for row in written.get("attempts", ()))


def _done(before: Before) -> ReturningUpdate[Any]:
    columns = columns_of(table_of(Attempt), ("task_id", "code")) | columns_of(table_of(Task), ("fencing",))
    run = rows_of(before.dialect_name, "runs", columns)
    ours = (_TASKS.id == run.c.task_id, _TASKS.fencing == run.c.fencing, _TASKS.state == TaskState.RUNNING.value)
    return (
        moving(Task, TaskState.DONE)
        .where(*ours, ~has_unproven_resolution(_TASKS.id), ~is_heard())
        .values(last_code=run.c.code, last_message="", **closed())
        .returning(_TASKS.id)
    )


_FINISHING = WritePlan(
    Write("done", _done, one=False),
    Write("attempts", recording_runs, one=False),
    returns=("attempts",),
)
