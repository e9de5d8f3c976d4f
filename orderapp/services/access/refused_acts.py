"""Refused acts of staff: recorded in the audit like other acts, with the reason, up to a limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog
from sqlalchemy.exc import DBAPIError, IntegrityError

from orderapp.errors import Conflict, DatabaseUnavailable, NotFound, TooManyAttempts
from orderapp.services.access import attempt_counters
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing

log = structlog.get_logger()

# More than happens by mistake. Further refusals are only logged, so that nobody can fill the audit.
MOST_REFUSALS = 100
MOST_REFUSALS_WINDOW_SECONDS = 3600


@contextmanager
def refusals_recorded(actor: Actor, act: Act) -> Iterator[None]:
    """Record the act if the block refuses it, because of a wrong state or a missing row. The error is re-raised."""
    try:
        yield
    except (Conflict, NotFound) as error:
        record_refusal(actor, act, str(error))
        error.in_audit = True
        raise


def record_refusal(actor: Actor, act: Act, why: str) -> int | None:
    """Record an act that was refused; return the row's id, or None if it is only in the log.

    Transaction: two, committed here: the count of the actor's refusals, and the row.
    If we die here: the act was refused anyway.
    """
    log.info("staff.act_refused", act=act.name, subject=act.subject, why=why, by=actor.staff_id)
    try:
        by = actor.name if actor.staff_id is None else actor.staff_id
        attempt_counters.count(("refused-act", by), MOST_REFUSALS, MOST_REFUSALS_WINDOW_SECONDS)
        return _write(actor, act, why)
    except TooManyAttempts:
        return None
    except (DatabaseUnavailable, DBAPIError) as error:
        # This also happens if a command runs before the tables exist; the command's own error is what matters.
        reason = type(error).__name__
        log.warning("staff.act_refused_not_recorded", act=act.name, subject=act.subject, reason=reason)
        return None


def _write(actor: Actor, act: Act, why: str) -> int:
    try:
        with writing() as session:
            return audit.write(session, actor, act, refused=why)
    except IntegrityError:
        # The order was archived meanwhile, which may be why the act was refused; the subject still names the order.
        with writing() as session:
            return audit.write(session, actor, replace(act, order_id=None), refused=why)
