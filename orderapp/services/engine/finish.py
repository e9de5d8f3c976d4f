"""Ends runs of tasks that are done and need no further write, which is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql.dml import ReturningUpdate

from orderapp.domain.states import TaskState
from orderapp.models import Attempt, Order, Task, table_of
from orderapp.services.db.json_rows import as_json, columns_of, rows_of
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import closed, moving
from orderapp.services.db.write_plan import Before, Rows, Write, WritePlan
from orderapp.services.engine.ended_run import Ran
from orderapp.services.saga.attempts import recording_runs, task_attempt
from orderapp.services.saga.events import is_heard, tell_if_consistent
from orderapp.services.saga.manual_resolutions import has_unproven_resolution

_TASKS = table_of(Task).c


def finish(runs: Sequence[Ran]) -> frozenset[int]:
    """Record that these tasks are done, each with its attempt; return the ids of those that were still ours.

    Nothing is written for a task that was taken from us or that has an unproven manual resolution.

    Transaction: one, committed here: a single statement (PostgreSQL), unless somebody subscribes to events. Then the
        last of an order's tasks also tells that the order is consistent, so the orders are locked first.
    Idempotent because: each task is moved once, under its fencing token.
    If we die here: everything or nothing is recorded; the next claims repeat what isn't.
    """
    rows = [{**task_attempt(run.held.task, run.one), "fencing": run.held.task.fencing} for run in runs]
    parameters = {"runs": as_json(rows)}
    return _ended(_FINISHING.run(parameters)) or _finish_and_tell(runs, parameters)


def _finish_and_tell(runs: Sequence[Ran], parameters: Mapping[str, Any]) -> frozenset[int]:
    orders = {run.held.task.id: run.held.task.its_order_id for run in runs}
    with writing() as session:
        if not session.scalar(select(is_heard())):
            return frozenset()
        these = select(Order.id).where(Order.id.in_(orders.values())).order_by(Order.id)
        session.execute(these.with_for_update(key_share=True))
        ended = _ended(_FINISHING_HEARD.run_within(session, parameters))
        for order_id in sorted({orders[task_id] for task_id in ended}):
            tell_if_consistent(session, order_id)
    return ended


def _ended(written: Rows | None) -> frozenset[int]:
    return frozenset(row.task_id for row in (written or {}).get("attempts", ()))


def _done_unheard(before: Before) -> ReturningUpdate[Any]:
    return _done(before).where(~is_heard())


def _done(before: Before) -> ReturningUpdate[Any]:
    columns = columns_of(table_of(Attempt), ("task_id", "code")) | columns_of(table_of(Task), ("fencing",))
    run = rows_of(before.dialect_name, "runs", columns)
    ours = (_TASKS.id == run.c.task_id, _TASKS.fencing == run.c.fencing, _TASKS.state == TaskState.RUNNING.value)
    return (
        moving(Task, TaskState.DONE)
        .where(*ours, ~has_unproven_resolution(_TASKS.id))
        .values(last_code=run.c.code, last_message="", **closed())
        .returning(_TASKS.id)
    )


_ATTEMPTS = Write("attempts", recording_runs, one=False)
_FINISHING = WritePlan(Write("done", _done_unheard, one=False), _ATTEMPTS, returns=("attempts",))
_FINISHING_HEARD = WritePlan(Write("done", _done, one=False), _ATTEMPTS, returns=("attempts",))
