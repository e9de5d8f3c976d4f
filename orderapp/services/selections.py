"""One act of staff on a selection of tasks: each is done or refused by itself, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy.orm import Session

from orderapp.errors import Conflict, DatabaseUnavailable, InvalidRequest, NotFound
from orderapp.models import Task
from orderapp.services import audit
from orderapp.services.audit import Act, Actor
from orderapp.services.database import writing

log = structlog.get_logger()

MAX_SELECTION = 500  # one press of a button answers within seconds; more is done in several goes
MAX_ID = 2**63 - 1  # what an id's column holds

# Changes one task within the caller's transaction; returns what the audit keeps. Gets the reason as it is kept.
Change = Callable[[Session, Task, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verb:
    """What is done: its name in the audit (`task.requeue`), and what a task is afterwards (`requeued`)."""

    name: str
    past: str


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one task of a selection: whether it was done, and why not."""

    task: int
    done: bool
    text: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of a selection; `audit_id` is the row that keeps it, None where only one task was named."""

    items: tuple[ItemResult, ...]
    audit_id: int | None


def each(verb: Verb, task_ids: Iterable[int], actor: Actor, reason: str, change: Change) -> Selection:
    """Change each task, with an audit row for each, and one for the selection where it has several.

    Transaction: one per task, committed here, so that one refusal doesn't stop the rest.
    If we die here: what was done is done and recorded, the rest is as it was.

    Raises:
        InvalidRequest: the reason, no task, or more than MAX_SELECTION.

    """
    why = audit.clean_reason(reason)
    # In one order for everybody, so that two selections never wait for each other's rows.
    ids = sorted(set(task_ids))
    if not ids:
        raise InvalidRequest({"task": ["Choose at least one task."]})
    if ids[0] < 1 or ids[-1] > MAX_ID:
        raise InvalidRequest({"task": ["Tasks have numbers from 1 on."]})
    if len(ids) > MAX_SELECTION:
        raise InvalidRequest({"task": [f"At most {MAX_SELECTION} tasks can be chosen at once."]})
    items = tuple(_one(verb, task_id, actor, why, change) for task_id in ids)
    event = f"tasks.{verb.past.replace(' ', '_')}"
    log.info(event, chosen=len(items), done=sum(item.done for item in items), by=actor.staff_id)
    if len(items) == 1:
        return Selection(items, None)
    with writing() as session:
        act = Act(f"tasks.{verb.name}", f"{len(items)} tasks", why, details={"items": [asdict(item) for item in items]})
        return Selection(items, audit.write(session, actor, act))


def _one(verb: Verb, task_id: int, actor: Actor, why: str, change: Change) -> ItemResult:
    try:
        with writing() as session:
            task = session.get(Task, task_id)
            if task is None:
                raise NotFound(f"There is no task {task_id}.")
            details = change(session, task, why)
            audit.write(session, actor, Act(f"task.{verb.name}", f"task {task_id}", why, task.order_id, details))
    except (Conflict, NotFound) as error:
        return ItemResult(task_id, False, str(error))
    except DatabaseUnavailable:
        return ItemResult(task_id, False, "The database couldn't be used; look at the task to see whether it was done.")
    return ItemResult(task_id, True, f"Task {task_id} is {verb.past}.")
