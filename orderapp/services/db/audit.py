"""What staff did: one row for each act, written in the act's own transaction, never changed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import insert
from sqlalchemy.orm import Session

from orderapp.domain.texts import can_be_seen, hidden_in, trimmed
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
# Whoever was refused at the login, under a name that no account has.
UNKNOWN = Actor(None, "unknown")
# What tells where an act came from: bound for the log by whoever takes in requests and commands.
ORIGIN = ("request_id", "network", "os_user")


@dataclass(frozen=True, slots=True)
class Act:
    """What was done.

    Args:
        name: One of a few words, such as `task.requeue`.
        subject: On what, such as `task 12`.
        reason: Why, as staff put it; empty where nobody asks for one (logging in).
        order_id: The order it is about, where it is about one.
        details: What it was before, what it became; for a selection, each item's result.

    """

    name: str
    subject: str
    reason: str = ""
    order_id: uuid.UUID | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def write(session: Session, actor: Actor, act: Act, refused: str | None = None) -> int:
    """Write an act down, with what the log's lines say of where it came from; return the row's id.

    With `refused`, it wasn't done, and that is why.

    Transaction: within the caller's, the one of the act itself.
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
    """Return a reason as it is kept. Raises InvalidRequest where it says nothing, is too long or has controls."""
    cleaned = trimmed(reason)
    if not cleaned:
        raise InvalidRequest({"reason": ["Say why; it is kept with what was done."]})
    if len(cleaned) > MAX_REASON_CHARACTERS:
        raise InvalidRequest({"reason": [f"Use at most {MAX_REASON_CHARACTERS} characters."]})
    # They forge lines wherever the text is shown.
    if problem := hidden_in(cleaned):
        raise InvalidRequest({"reason": [problem]})
    if not can_be_seen(cleaned):
        raise InvalidRequest({"reason": ["Say why in letters that can be seen; it is kept with what was done."]})
    return cleaned
