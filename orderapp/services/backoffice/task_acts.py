"""What staff can do to many tasks in one operation: each act with what it changes and what speaks against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.models import Resolution, Task
from orderapp.services.backoffice.circumstances import Circumstances
from orderapp.services.backoffice.manual_resolutions import Said, mark_task, objection_to_mark
from orderapp.services.backoffice.risks import Objection
from orderapp.services.backoffice.task_actions import (
    cancel_task,
    objection_to_cancel,
    objection_to_requeue,
    requeue_task,
)
from orderapp.services.db.audit import Actor


@dataclass(frozen=True, slots=True)
class TaskAct:
    """An act on a task."""

    # Changes one task within the caller's transaction, or raises; gets the reason, returns details for the audit.
    change: Callable[[Session, Task, Actor, str, Settings], Mapping[str, Any]]
    objection: Callable[[Task, Circumstances, Settings], Objection | None]


def _marking(resolution: Resolution) -> TaskAct:
    return TaskAct(
        lambda session, task, actor, why, settings: mark_task(session, task, Said(resolution, actor), why, settings),
        lambda task, seen, settings: objection_to_mark(task, resolution, seen, settings.systems),
    )


TASK_ACTS: Mapping[str, TaskAct] = {
    "requeue": TaskAct(
        lambda session, task, actor, _, settings: requeue_task(session, task, actor, settings), objection_to_requeue
    ),
    Resolution.HAPPENED.value: _marking(Resolution.HAPPENED),
    Resolution.NOT_HAPPENED.value: _marking(Resolution.NOT_HAPPENED),
    "cancel": TaskAct(
        lambda session, task, actor, why, _: cancel_task(session, task, actor, why),
        lambda task, _seen, _settings: objection_to_cancel(task),
    ),
}
