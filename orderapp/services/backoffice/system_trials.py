"""Tries whether a system works again: by its harmless question, and by one failed task."""

from __future__ import annotations

import structlog
from sqlalchemy import select

from orderapp.config import Settings
from orderapp.domain.outcome import Answer
from orderapp.domain.states import TaskState
from orderapp.errors import NotFound, WrongState
from orderapp.models import Task, holds
from orderapp.services.access import attempt_counters
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.backoffice import task_actions
from orderapp.services.backoffice.bulk import Selection
from orderapp.services.backoffice.circumstances import circumstances_of
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.systems.base import System

log = structlog.get_logger()

MOST_QUESTIONS, MOST_QUESTIONS_SECONDS = 6, 60  # of one system, by all staff: enough for people
LOOKED_AT = 50  # failed tasks among which one without a risk is sought


def ask_whether_it_answers(name: str, actor: Actor, settings: Settings) -> Answer:
    """Ask a system its harmless question, which shows whether address and credentials are right.

    Transaction: a count and an audit row, each committed here; none while the system is asked.
    Idempotent because: the question changes nothing, here or there.
    If we die here: nothing was changed.

    Raises:
        NotFound: there is no such system.
        TooManyAttempts: it was asked too often; it wasn't asked.
        WrongState: it isn't configured.
    """
    system = _system(name, settings)
    act = Act("system.ask", f"system {name}")
    with refusals_recorded(actor, act):
        if not system.configured:
            raise WrongState(f"{system.title} isn't configured. Nothing was asked.")
    attempt_counters.count(("ask-system", name), MOST_QUESTIONS, MOST_QUESTIONS_SECONDS)
    answer = system.check()
    details = {"outcome": answer.outcome.value, "message": answer.message or answer.code}
    with writing() as session:
        audit.write(session, actor, Act(act.name, act.subject, details=details))
    log.info("system.asked", system=name, outcome=answer.outcome.value, by=actor.staff_id)
    return answer


def try_one(name: str, actor: Actor, reason: str, settings: Settings) -> Selection:
    """Requeue the oldest failed task of a system that can be repeated without a risk.

    Transaction, Idempotent because, If we die here: as for `task_actions.requeue`.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such system.
        WrongState: there is no such task.
    """
    system, why = _system(name, settings), audit.clean_reason(reason)
    with refusals_recorded(actor, Act("system.try", f"system {name}", why)):
        task_id = find_harmless(name, settings)
        if task_id is None:
            raise WrongState(f"No failed task of {system.title} can be tried without a decision. Nothing was changed.")
    return task_actions.requeue([task_id], actor, why, settings)


def find_harmless(name: str, settings: Settings) -> int | None:
    """Return the oldest failed task of a system without a risk, among the oldest LOOKED_AT; None if there is none."""
    failed = (
        select(Task)
        .where(holds(Task.system, name), holds(Task.state, TaskState.FAILED.value))
        .order_by(Task.id)
        .limit(LOOKED_AT)
    )
    with reading() as session:
        tasks = session.scalars(failed).all()
        seen = circumstances_of(session, [task.id for task in tasks])
    objection = task_actions.objection_to_requeue
    return next((one.id for one in tasks if objection(one, seen[one.id], settings) is None), None)


def _system(name: str, settings: Settings) -> System:
    if name not in settings.systems:
        raise NotFound("There is no such system.")
    return settings.systems[name]
