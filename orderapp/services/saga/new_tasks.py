"""The row of a new task: one place for all kinds."""

from __future__ import annotations

from typing import Any

from orderapp.domain.states import News, TaskKind, TaskState
from orderapp.systems.base import System
from orderapp.systems.jobs import Job


def new_task(
    kind: TaskKind, system: System | Job, key: str, state: TaskState = TaskState.WAITING, news: News = News.CONFIRMED
) -> dict[str, Any]:
    """Return a task's row before its first claim, without order, placement, step and times.

    Args:
        kind: What the task does.
        system: The system that the task calls, or the job that it runs; its backoff sets the number of attempts.
        key: The key of the effect; for a job, what tells its tasks apart.
        news: What it tells, if it sends a message.
        state: The first state. `cancelled` is for a task that nothing runs yet; it has no attempts.
    """
    return {
        "kind": kind.value,
        "system": system.name,
        "news": news.value if kind is TaskKind.NOTIFY else "",
        "key": key,
        "state": state.value,
        "attempts": 0,
        "attempt_limit": system.backoff.attempts if state is TaskState.WAITING else 0,
        "claims": 0,
        "fencing": 0,
        "cleared_claims": 0,
        "keep": 0,
    }
