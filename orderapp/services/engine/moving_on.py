"""The statement that ends a run of a task: its new state, under its fencing token."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Float, Integer, Update, bindparam

from orderapp.domain.states import TaskState
from orderapp.models import Task, db_now, table_of
from orderapp.services.db.transitions import closed, moving

_TASKS = table_of(Task).c


@lru_cache(maxsize=32)  # every run ends here, in one of a few ways
def moving_on(state: TaskState, *, in_doubt: bool, snoozed: bool, repeats: bool, new_key: bool, unused: bool) -> Update:
    """Return the statement that ends a run if the task is still ours.

    Its parameters: `our_task`, `our_fencing`, `new_code`, `new_message`, `pending` (1 for a snooze that is counted),
    and where they are needed `delay_seconds`, `late_window_seconds`, `our_claims` and `next_key`.

    Args:
        state: The task's new state.
        in_doubt: Whether the call may have caused its effect.
        snoozed: Whether the attempt is given back.
        repeats: Whether the answer is that of the attempt before.
        new_key: Whether the next run has a new key.
        unused: Whether the key is still unused.
    """
    later = db_now(bindparam("delay_seconds", type_=Float)) if state is TaskState.WAITING else None
    values: dict[str, Any] = {
        "lease_until": None,
        "last_code": bindparam("new_code"),
        "last_message": bindparam("new_message"),
        "due_at": later,
        "publish_at": later,
        "pending_answers": _TASKS.pending_answers + bindparam("pending", type_=Integer),
    }
    if in_doubt:
        values["absent_from"] = db_now(bindparam("late_window_seconds", type_=Float))
    if state is TaskState.DONE:
        values |= closed()
    if new_key:
        # Like every key, it is committed before use. Nothing remains to wait for, so the task is due now.
        values |= {"key": bindparam("next_key"), "key_used_at": None, "cleared_claims": bindparam("our_claims")}
        values |= {"due_at": db_now(), "publish_at": db_now()}
    if unused:
        values["key_used_at"] = None
    if snoozed:
        # A snooze gives its attempt back.
        values["attempts"] = _TASKS.attempts - 1
    if repeats:
        values |= {"repeats": _TASKS.repeats + 1, "repeated_at": db_now()}
    ours = (_TASKS.id == bindparam("our_task"), _TASKS.fencing == bindparam("our_fencing"))
    return moving(Task, state).where(*ours, _TASKS.state == TaskState.RUNNING.value).values(values)
