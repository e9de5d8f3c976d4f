"""The queues of deliveries: one for each order and subscription.

A delivery has a task only while it is the first of its queue: so each order's events arrive in their order, and what
waits behind a receiver that is away costs nobody anything.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, exists, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from orderapp.domain.states import DeliveryState
from orderapp.models import Delivery, WebhookSubscription, db_now, holds, table_of
from orderapp.services.db.transactions import writing
from orderapp.systems.jobs import Job, enqueue

BATCH = 100  # a transaction of some tens of milliseconds
WAITING = holds(Delivery.state, DeliveryState.WAITING.value)
Place = tuple[uuid.UUID, int]


def release_next(session: Session, job: Job, subscription_id: int, order_id: uuid.UUID) -> None:
    """Give the next delivery of an order a task, after one has ended.

    Transaction: within the caller's, which has held the subscription and ended the delivery. A delivery that is being
        distributed at this moment is waited for: either it is seen here, or it sees that nothing waits before it.
    """
    if hold(session, subscription_id):
        give_tasks(session, job, subscription_id, Delivery.order_id == order_id)


def hold(session: Session, subscription_id: int) -> bool:
    """Hold a subscription until the transaction ends, beside others but not beside `distribute`.

    A transaction that holds a subscription and changes its deliveries holds it first, or two could deadlock.

    Transaction: within the caller's.

    Returns:
        Whether its deliveries get tasks: it is neither paused nor removed.
    """
    held = select(WebhookSubscription.paused_at, WebhookSubscription.removed_at).where(
        WebhookSubscription.id == subscription_id
    )
    return session.execute(held.with_for_update(read=True)).one() == (None, None)


def give_tasks_again(job: Job, subscription_id: int, after: Place | None) -> Place | None:
    """Give the next BATCH of a resumed subscription's deliveries their tasks; return where to go on, None at the end.

    Transaction: one, committed here.
    Idempotent because: a delivery that has a task gets none.
    If we die here: the next call goes on where the last committed one ended.
    """
    beyond = (tuple_(Delivery.order_id, Delivery.sequence) > after,) if after else ()
    with writing() as session:
        if not hold(session, subscription_id):
            return None
        given = give_tasks(session, job, subscription_id, *beyond, limit=BATCH)
    return (given[-1].order_id, given[-1].sequence) if len(given) == BATCH else None


def give_tasks(
    session: Session, job: Job, subscription_id: int, *which: ColumnElement[bool], limit: int | None = None
) -> Sequence[Any]:
    """Give a task to each of these deliveries that has none and waits for no earlier one; return them.

    Transaction: within the caller's, which holds the subscription.
    """
    earlier = aliased(Delivery)
    blocked = exists().where(
        earlier.subscription_id == Delivery.subscription_id,
        earlier.order_id == Delivery.order_id,
        holds(earlier.state, DeliveryState.WAITING.value),
        earlier.sequence < Delivery.sequence,
    )
    columns = table_of(Delivery).c
    first = (
        select(columns.id, columns.order_id, columns.sequence, columns.tasks)
        .where(columns.subscription_id == subscription_id, WAITING, Delivery.queued_at.is_(None), ~blocked, *which)
        .order_by(columns.order_id, columns.sequence)
        .limit(limit)
    )
    found = session.execute(first).all()
    for row in found:
        give_task(session, job, row.id, row.tasks)
    return found


def is_first(session: Session, delivery: Delivery) -> bool:
    """Return whether a delivery waits for no earlier one. Transaction: within the caller's."""
    earlier = (
        Delivery.subscription_id == delivery.subscription_id,
        Delivery.order_id == delivery.order_id,
        Delivery.sequence < delivery.sequence,
    )
    return session.scalar(select(Delivery.id).where(WAITING, *earlier).limit(1)) is None


def give_task(session: Session, job: Job, delivery_id: int, tasks: int, *, again: bool = False) -> int:
    """Give a delivery a new task, due now; return its id. Transaction: within the caller's.

    Args:
        tasks: How many tasks the delivery has had.
        again: Whether to send the event although it was delivered.
    """
    task_id = enqueue(job, session, key=f"{delivery_id}.{tasks + 1}", delivery=delivery_id, again=again)
    queued = {"queued_at": db_now(), "tasks": tasks + 1, "task_id": task_id}
    session.execute(update(Delivery).where(Delivery.id == delivery_id).values(queued))
    return task_id
