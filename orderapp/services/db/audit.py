"""The audit of what staff do, and customers on an order's page: one row per act, in the act's own transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import insert
from sqlalchemy.orm import Session

from orderapp.domain.typed_text import can_be_seen, hidden_in, trimmed
from orderapp.errors import InvalidRequest
from orderapp.models import AuditEntry, db_now

MAX_REASON_CHARACTERS = 500  # as long as its column
MAX_REFUSED_CHARACTERS = 500  # as long as its column


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a member of staff by id and e-mail address, or the command line."""

    staff_id: int | None
    name: str


COMMAND_LINE = Actor(None, "command line")
# What the timer does because staff have ordered it beforehand.
TIMER = Actor(None, "timer")
# Whoever holds the private link of an order's page.
CUSTOMER = Actor(None, "customer")
# A person whose login was refused, under a name that no account has.
UNKNOWN = Actor(None, "unknown")
# Log context that says where an act came from; requests and commands bind it at their start.
ORIGIN = ("request_id", "network", "os_user")


@dataclass(frozen=True, slots=True)
class Act:
    """An act of staff."""

    name: str  # one of a fixed set of names, such as `task.requeue`
    subject: str  # what it acted on, such as `task 12`
    reason: str = ""  # the reason that staff gave; empty if none is asked for (login)
    order_id: uuid.UUID | None = None  # the order it concerns, if any
    # The values before and after; for a bulk action, the result of each item.
    details: Mapping[str, Any] = field(default_factory=dict)


def write(session: Session, actor: Actor, act: Act, refused: str | None = None) -> int:
    """Record an act, with its origin from the log context; return the row's id.

    `refused` is why the act was not done; None if it was done.

    Transaction: within the caller's, which does the act.
    """
    origin = structlog.contextvars.get_contextvars()
    return session.execute(
        insert(AuditEntry)
        .values(
            at=db_now(),
            staff_id=actor.staff_id,
            actor=actor.name,
            act=act.name,
            subject=act.subject,
            order_id=act.order_id,
            reason=act.reason,
            details=json.dumps(act.details, ensure_ascii=False),
            refused=refused[:MAX_REFUSED_CHARACTERS] if refused is not None else None,
            **{column: origin.get(column) for column in ORIGIN},
        )
        .returning(AuditEntry.id)
    ).scalar_one()


def clean_reason(reason: str) -> str:
    """Return a reason in its stored form. Raises InvalidRequest if it is empty, too long or has control characters."""
    cleaned = trimmed(reason)
    if not cleaned:
        raise InvalidRequest({"reason": ["Say why; it is kept with what was done."]})
    if len(cleaned) > MAX_REASON_CHARACTERS:
        raise InvalidRequest({"reason": [f"Use at most {MAX_REASON_CHARACTERS} characters."]})
    # Control characters could forge lines wherever the text is shown.
    if problem := hidden_in(cleaned):
        raise InvalidRequest({"reason": [problem]})
    if not can_be_seen(cleaned):
        raise InvalidRequest({"reason": ["Say why in letters that can be seen; it is kept with what was done."]})
    return cleaned
