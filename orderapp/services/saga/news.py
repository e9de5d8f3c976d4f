"""The news of an order's end: a task for each message, written in the transaction that decides the end."""

from __future__ import annotations

import uuid

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from orderapp.domain.keys import effect_key, next_key
from orderapp.domain.orders import OrderDocument
from orderapp.domain.states import OPEN_TASK_STATES, News, TaskKind, TaskState
from orderapp.models import ManualResolution, Placement, Task, db_now
from orderapp.services.db.transitions import closed, move, reopened
from orderapp.services.saga.attempts import record_taken_away
from orderapp.services.saga.manual_resolutions import end_resolutions
from orderapp.services.saga.new_tasks import new_task
from orderapp.services.saga.order_documents import load_document
from orderapp.services.saga.refunds import is_refunded
from orderapp.systems.base import Part
from orderapp.systems.registry import Systems

# The last code of a failure's message after another order was placed in the place of the one that failed.
REPLACED = "replaced"
READDRESSED = "its customer has corrected the address"


def announce(session: Session, order_id: uuid.UUID, placement_id: int, news: News, systems: Systems) -> None:
    """Write a task for each message that tells a customer how a placement of an order has ended.

    Transaction: within the caller's, the one that decides the end.
    Idempotent because: a placement has at most one message of each system and news, and those that are there stay.
    """
    document = load_document(session, order_id)
    if not _is_for_the_customer(news, document):
        return
    number = session.execute(select(Placement.number).where(Placement.id == placement_id)).scalar_one()
    there = select(Task.system).where(Task.placement_id == placement_id, Task.news == news.value)
    told = set(session.scalars(there))
    rows = [
        {
            "order_id": order_id,
            "placement_id": placement_id,
            **new_task(TaskKind.NOTIFY, system, effect_key(document.number, number, system.name, news), news=news),
            "due_at": db_now(),
            "publish_at": db_now(),
            "created_at": db_now(),
        }
        for system in systems.having(Part.NOTIFY)
        if news in system.tells and system.name not in told and system.concerns(document)
    ]
    if rows:
        session.execute(insert(Task).values(rows))


def announce_refund(session: Session, order_id: uuid.UUID, placement_id: int, systems: Systems) -> None:
    """Announce that what was paid is returned, as soon as nothing of it is left to return; the order is cancelled.

    Transaction, Idempotent because: as for `announce`.
    """
    if session.execute(select(is_refunded(placement_id, systems))).scalar_one():
        announce(session, order_id, placement_id, News.REFUNDED, systems)


def withdraw_failure(session: Session, order_id: uuid.UUID, why: str, code: str | None = None) -> None:
    """Give up the messages that an order failed, as far as they weren't sent: it is tried again, or replaced.

    Transaction: within the caller's, the one that begins the retry or the order in its place.

    Args:
        session: The caller's session.
        order_id: The order that failed.
        why: What staff read about it.
        code: REPLACED where another order is placed instead, which nothing else shows.
    """
    its_messages = (Task.order_id == order_id, Task.news == News.FAILED.value)
    # Those that staff have given up too: their rows are locked, so that nobody requeues one meanwhile.
    record_taken_away(session, *its_messages)
    end_resolutions(session, ManualResolution.task_id.in_(select(Task.id).where(*its_messages)), why)
    open_ones = Task.state.in_([state.value for state in OPEN_TASK_STATES])
    move(session, Task, TaskState.CANCELLED, *its_messages, open_ones, last_message=why, **closed())
    # The next fencing token takes the task away from a worker that may be running it, or from whoever requeues it.
    withdrawn = update(Task).where(*its_messages, Task.state == TaskState.CANCELLED.value)
    session.connection().execute(withdrawn.values(fencing=Task.fencing + 1, last_code=code or Task.last_code))


def send_again(session: Session, order_id: uuid.UUID, systems: Systems) -> None:
    """Send the mails that an order is confirmed to its present address, whatever became of them.

    Each is sent under another key, because its content is another one; a worker that is sending it now loses it. That
    goes for a mail that was never tried too: a claim may be waiting for its row, and has read the address before. By
    the fencing token it knows that it has to read it again.

    Transaction: within the caller's, which has locked the order and changed the address.
    """
    mailers = [name for name, system in systems.items() if system.can("write")]
    its_mails = (
        Task.order_id == order_id,
        Task.kind == TaskKind.NOTIFY.value,
        Task.news == News.CONFIRMED.value,
        Task.system.in_(mailers),
    )
    record_taken_away(session, *its_mails)
    for task in session.scalars(select(Task).where(*its_mails)).all():
        end_resolutions(session, ManualResolution.task_id == task.id, READDRESSED)
        again = {
            "key": next_key(task.key),
            "key_used_at": None,
            "cleared_claims": task.claims,
            "attempt_limit": task.attempts + systems[task.system].backoff.attempts,
            "fencing": task.fencing + 1,
            "lease_until": None,
            "due_at": db_now(),
            "publish_at": db_now(),
            **reopened(),
            "absent_from": None,
            "pending_answers": 0,
            "last_code": None,
            "last_message": READDRESSED,
        }
        if task.state == TaskState.WAITING.value:
            session.execute(update(Task).where(Task.id == task.id).values(again))
        else:
            move(session, Task, TaskState.WAITING, Task.id == task.id, **again)


def _is_for_the_customer(news: News, document: OrderDocument) -> bool:
    if news is News.FAILED:
        # The customer of an API client never knew of it: the client was told, and may place another order.
        return document.in_shop
    return news is not News.REFUNDED or document.total.minor > 0
