"""Runs a job now, because staff want it: a task of its own, beside the planned run of the job's schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from orderapp.config import Settings
from orderapp.errors import InvalidRequest, NotFound
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.engine.enqueue import enqueue_job
from orderapp.systems.jobs import LONGEST_NAME, arguments_text

log = structlog.get_logger()


def run_now(name: str, arguments: Mapping[str, Any], actor: Actor, reason: str, settings: Settings) -> int:
    """Have a job run now; return the number of its task.

    Transaction: one, committed here, with its audit row.
    Idempotent because: it isn't; each call is another run, which a job has to bear.

    Args:
        name: The job's name.
        arguments: JSON values, at most 10,000 characters together.
        actor: Who wants it.
        reason: Why; it may be empty.
        settings: The jobs.

    Raises:
        InvalidRequest: an argument or the reason isn't acceptable.
        NotFound: there is no such job.
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
    with writing() as session:
        task_id = enqueue_job(session, job, text)
        audit.write(session, actor, Act(act.name, act.subject, act.reason, details={"task": task_id}))
    log.info("job.run_now", job=name, task=task_id, by=actor.staff_id)
    return task_id
