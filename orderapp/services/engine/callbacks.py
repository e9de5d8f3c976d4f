"""Callbacks: what partners tell us. Each makes a task due, and the system is then asked for the truth.

So a callback that is forged, repeated, early, late or lost does no harm: it is a hint, like a message of the broker.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import delete, exists, select, union_all, update
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
# A partner that tells us of each of its steps has us ask it no more often than this.
ACT_AGAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a callback came to: how many of its keys are ours, and how many tasks are due because of it."""

    known: int
    made_due: int


def hear(name: str, callback: Callback, systems: Systems) -> Heard:
    """Record a callback, and make the tasks due that wait for what it is about.

    Transaction: one, committed here.
    Idempotent because: the same content about the same key is recorded once, and what is due can't be due twice.
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
        for key in keys:
            order_id = _order_of(session, name, key)
            lately = _was_acted_on(session, system, key)
            pause_seconds = ACT_AGAIN_SECONDS if lately else 0.0
            acted = _act(session, system, key, order_id, pause_seconds) if order_id is not None else 0
            known, made_due = known + (order_id is not None), made_due + acted
            _record(session, system, key, digest, order_id, said, acted=bool(acted))
    log.info("callback.heard", system=name, keys=len(keys), known=known, made_due=made_due)
    return Heard(known, made_due)


def act_on_heard(session: Session, task: Task, system: System) -> None:
    """Make a task due again that has just been told "not finished yet", if a callback came while it ran.

    Transaction: within the caller's.
    """
    if not system.can("hear"):
        return
    heard = (HeardCallback.system == task.system, HeardCallback.key == task.key, HeardCallback.acted_at.is_(None))
    if session.execute(update(HeardCallback).where(*heard).values(acted_at=db_now()).returning(HeardCallback.id)).all():
        waiting = (Task.id == task.id, Task.state == TaskState.WAITING.value)
        session.execute(update(Task).where(*waiting).values(due_at=db_now(), publish_at=db_now()))


def _keys(system: System, callback: Callback) -> list[str]:
    try:
        heard = system.hear(callback)
        if isinstance(heard, str | bytes):
            raise TypeError("hear gave back one text, not several keys")
        # Sorted, so that two callbacks about the same keys lock their rows in the same order.
        keys = None if heard is None else sorted(set(heard))
    except Exception as error:
        # Neither the error's text nor its trace: they may hold what the partner sent.
        log.error("callback.raised", system=system.name, error=type(error).__name__)  # noqa: TRY400
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


def _record(  # noqa: PLR0913 - the columns of its row
    session: Session, system: System, key: str, digest: str, order_id: uuid.UUID | None, said: str, *, acted: bool
) -> None:
    """Keep what it said, once for equal content, however often it comes."""
    # Of an order that we don't know, nobody can say what is private.
    kept = mask(said, system.private_values(load_document(session, order_id))) if order_id is not None else ""
    values = {"system": system.name, "key": key, "digest": digest, "order_id": order_id, "said": kept}
    acted_at = {"acted_at": db_now() if acted else None}
    new = {**values, **acted_at, "received_at": db_now()}
    session.execute(upsert(session, HeardCallback, new, acted_at, unique="system, key, digest"))


def _act(session: Session, system: System, key: str, order_id: uuid.UUID, pause_seconds: float) -> int:
    """Make the tasks of a key due after a pause, whose last answer was "not finished yet"; return how many.

    Any other task waits for its time: a callback must not use up its attempts, nor shorten a late window. A system that
    can't be asked isn't called again at all; staff see the callback.
    """
    # Locked, so that a run that is being recorded at this moment is seen, or sees our row.
    of_key = (Task.order_id == order_id, Task.system == system.name, Task.key == key)
    tasks = session.scalars(select(Task).where(*of_key).with_for_update()).all()
    if system.guarantee is Guarantee.UNSAFE:
        return 0
    waiting = [task for task in tasks if task.state == TaskState.WAITING.value]
    pending = [task.id for task in waiting if task.pending_answers and not task.last_code]
    soon = db_now(pause_seconds)
    later = (Task.id.in_(pending), Task.due_at > soon)
    session.execute(update(Task).where(*later).values(due_at=soon, publish_at=soon))
    return len(pending)


def _was_acted_on(session: Session, system: System, key: str) -> bool:
    lately = HeardCallback.acted_at > db_now(-ACT_AGAIN_SECONDS)
    acted = exists().where(HeardCallback.system == system.name, HeardCallback.key == key, lately)
    return bool(session.scalar(select(acted)))


def forget_unknown(session: Session) -> None:
    """Delete old callbacks about keys that aren't ours. Transaction: within the caller's."""
    old = (HeardCallback.order_id.is_(None), HeardCallback.received_at < db_now(-UNKNOWN_KEPT_SECONDS))
    session.execute(delete(HeardCallback).where(*old))


def callbacks_of(session: Session, order_id: uuid.UUID, most: int) -> Sequence[HeardCallback]:
    """Return the newest callbacks about an order. Transaction: within the caller's."""
    newest = select(HeardCallback).where(HeardCallback.order_id == order_id).order_by(HeardCallback.id.desc())
    return session.scalars(newest.limit(most)).all()
