"""Callbacks: what partners tell us. Each makes a task due, and the system is then asked for the truth.

So a callback that is forged, repeated, early, late or lost does no harm: it is a hint, like a message of the broker.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, or_, select, union_all, update
from sqlalchemy.orm import Session

from orderapp.domain.masking import mask
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskState
from orderapp.errors import CallbackRefused, NotFound
from orderapp.models import HeardCallback, Order, Step, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import upsert
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.base import System
from orderapp.systems.callbacks import Callback
from orderapp.systems.registry import Systems

log = structlog.get_logger()

MOST_KEYS = 100  # in one callback; partners that bundle send a few
LONGEST_KEY = 64  # ours are never longer
# A partner that calls with keys we don't know yet, or never will: kept this long.
UNKNOWN_KEPT_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Heard:
    """What a callback came to: how many of its keys are ours, and how many tasks are due because of it."""

    known: int
    made_due: int


def hear(name: str, callback: Callback, systems: Systems) -> Heard:
    """Record a callback, and make the tasks due that wait for what it is about.

    Transaction: one, committed here.
    Idempotent because: the same content about the same key is recorded once, and only the first time changes a task.
    If we die here: nothing is recorded; the partner calls again, or the task asks in its own time.

    Raises:
        NotFound: there is no such system, or it has no callbacks.
        CallbackRefused: the system doesn't accept it: its signature is wrong or too old, or it can't be read.
    """
    system = systems.get(name)
    if system is None or not system.can("hear"):
        raise NotFound("No system takes callbacks here.")
    keys = _keys(system, callback)
    said, digest = callback.body.decode("utf-8", "replace"), hashlib.sha256(callback.body).hexdigest()
    known = made_due = 0
    with writing() as session:
        _forget_unknown(session)
        for key in keys:
            order_id = _order_of(session, name, key)
            known += order_id is not None
            if _is_new(session, system, key, digest, order_id, said):
                made_due += _act(session, system, key)
    log.info("callback.heard", system=name, keys=len(keys), known=known, made_due=made_due)
    return Heard(known, made_due)


def act_on_heard(session: Session, task: Task) -> None:
    """Make a task due again that has just been told "not finished yet", if a callback came while it ran.

    Transaction: within the caller's.
    """
    heard = (HeardCallback.system == task.system, HeardCallback.key == task.key, HeardCallback.acted.is_(False))
    if session.execute(update(HeardCallback).where(*heard).values(acted=True).returning(HeardCallback.id)).all():
        waiting = (Task.id == task.id, Task.state == TaskState.WAITING.value)
        session.execute(update(Task).where(*waiting).values(due_at=db_now(), publish_at=db_now()))


def _keys(system: System, callback: Callback) -> list[str]:
    try:
        heard = system.hear(callback)
        keys = None if heard is None else list(dict.fromkeys(heard))
    except Exception as error:
        log.exception("callback.raised", system=system.name, error=type(error).__name__)
        raise CallbackRefused("This callback couldn't be read. Nothing was recorded.") from error
    if keys is None:
        raise CallbackRefused("This callback isn't signed as agreed, or is too old. Nothing was recorded.")
    if len(keys) > MOST_KEYS or not all(isinstance(key, str) and 0 < len(key) <= LONGEST_KEY for key in keys):
        raise CallbackRefused("This callback names no keys of ours. Nothing was recorded.")
    return [key for key in keys if key.isprintable() and key.isascii()]


def _order_of(session: Session, system: str, key: str) -> uuid.UUID | None:
    """Return the order of an effect; its number is the beginning of the key."""
    here = select(Order.id).where(Order.number == key.partition(":")[0]).scalar_subquery()
    rows = [
        select(one.order_id).where(one.order_id == here, one.system == system, one.key == key) for one in (Step, Task)
    ]
    return session.scalars(union_all(*rows)).first()


def _is_new(  # noqa: PLR0913 - the columns of its row
    session: Session, system: System, key: str, digest: str, order_id: uuid.UUID | None, said: str
) -> bool:
    # Of an order that we don't know, nobody can say what is private.
    kept = mask(said, system.private_values(load_document(session, order_id))) if order_id is not None else ""
    values = {
        "system": system.name,
        "key": key,
        "digest": digest,
        "order_id": order_id,
        "said": kept,
        "acted": False,
        "received_at": db_now(),
    }
    adding = upsert(session, HeardCallback, values, None, unique="system, key, digest")
    return session.execute(adding.returning(HeardCallback.id)).first() is not None


def _act(session: Session, system: System, key: str) -> int:
    """Make the tasks of a key due that wait for an unfinished or unknown effect; return how many."""
    if system.guarantee is Guarantee.UNSAFE:
        return 0  # it can't be asked, and a repeat would do it twice; staff see the callback
    due = (
        Task.system == system.name,
        Task.key == key,
        Task.state == TaskState.WAITING.value,
        or_(Task.pending_answers > 0, Task.absent_from.is_not(None)),
    )
    moved = session.execute(update(Task).where(*due).values(due_at=db_now(), publish_at=db_now()).returning(Task.id))
    count = len(moved.all())
    if count:
        acted = (HeardCallback.system == system.name, HeardCallback.key == key)
        session.execute(update(HeardCallback).where(*acted).values(acted=True))
    return count


def _forget_unknown(session: Session) -> None:
    old = (HeardCallback.order_id.is_(None), HeardCallback.received_at < db_now(-UNKNOWN_KEPT_SECONDS))
    session.execute(delete(HeardCallback).where(*old))


def callbacks_of(session: Session, order_id: uuid.UUID, most: int) -> Sequence[HeardCallback]:
    """Return the newest callbacks about an order. Transaction: within the caller's."""
    newest = select(HeardCallback).where(HeardCallback.order_id == order_id).order_by(HeardCallback.id.desc())
    return session.scalars(newest.limit(most)).all()
