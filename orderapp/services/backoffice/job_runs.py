"""Runs a job now, because staff want it: a task of its own, beside the planned run of the job's schedule."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import Task
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.engine.enqueue import enqueue_job
from orderapp.systems.jobs import LONGEST_NAME, arguments_text

log = structlog.get_logger()


# Their keys are this, a hash of the arguments, and the number of the task before. Of letters and digits alone, which
# every database sorts alike, so the newest is found in the index.
BY_HAND = "byhand"
DIGITS = 16  # of the hash: enough to tell the arguments of one job apart
FIRST, LAST = "0" * 19, "9" * 19  # as many digits as a number of the column has
STILL = {TaskState.WAITING.value: "still waits to run", TaskState.RUNNING.value: "still runs"}


def run_now(name: str, arguments: Mapping[str, Any], actor: Actor, reason: str, settings: Settings) -> int:
    """Have a job run now; return the number of its task.

    Transaction: one, committed here, with its audit row.
    Idempotent because: until its task has ended, another one with the same arguments is refused. Two calls at the same
        moment follow the same earlier task, so they make the same key.

    Args:
        name: The job's name.
        arguments: JSON values, at most 10,000 characters together.
        actor: Who wants it.
        reason: Why; it may be empty.
        settings: The jobs.

    Raises:
        InvalidRequest: an argument or the reason isn't acceptable.
        NotFound: there is no such job.
        WrongState: it was run by hand before with the same arguments, and that task hasn't ended yet.
    """
    act = Act("job.run", f"job {name[:LONGEST_NAME]}", audit.clean_reason(reason) if reason else "")
    with refusals_recorded(actor, act):
        job = settings.jobs.get(name)
        if job is None:
            raise NotFound(f"There is no job {name}; there are {', '.join(sorted(settings.jobs)) or 'none'}.")
    try:
        text = arguments_text(name, arguments)
    except ValueError as error:
        raise InvalidRequest({"arguments": [str(error)]}) from error
    with refusals_recorded(actor, act), writing() as session:
        task_id = enqueue_job(session, job, text, key=_next_key(session, name, text))
        audit.write(session, actor, Act(act.name, act.subject, act.reason, details={"task": task_id}))
    log.info("job.run_now", job=name, task=task_id, by=actor.staff_id)
    return task_id


def _next_key(session: Session, name: str, arguments: str) -> str:
    """Return the key after that of the newest task that was run by hand with these arguments.

    Raises WrongState if that task hasn't ended.
    """
    prefix = f"{BY_HAND}{sha256(arguments.encode()).hexdigest()[:DIGITS]}n"
    newest = (
        select(Task.id, Task.state)
        .where(Task.kind == TaskKind.JOB.value, Task.system == name)
        .where(Task.key.between(prefix + FIRST, prefix + LAST))
        .order_by(Task.key.desc())
        .limit(1)
    )
    found = session.execute(newest).one_or_none()
    if found is not None and found.state in (TaskState.WAITING.value, TaskState.RUNNING.value):
        raise WrongState(
            f"{name} was run by hand already, and task {found.id} {STILL[found.state]}. Nothing was changed."
        )
    return f"{prefix}{found.id if found is not None else 0:0{len(FIRST)}}"
