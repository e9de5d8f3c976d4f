"""Whose turn it is at a receiver that fails: one delivery tries it at a time, so it holds up no other receiver."""

from __future__ import annotations

import random

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskState
from orderapp.models import Delivery, Task, WebhookSubscription, db_now, holds, seconds_until

# A quarter of the time for which it has failed: soon after a short failure, and seldom in a long one, when thousands of
# deliveries may be waiting.
SHARE = 0.25
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 300.0


def seconds_behind(session: Session, subscription_id: int, task_id: int) -> float | None:
    """Return how long a delivery's task waits, because its receiver fails and another task tries it right now.

    Of two that begin at the same moment the older one goes on.

    Transaction: reads only, within the caller's.

    Returns:
        A pause with jitter; None if it is the task's turn.
    """
    failing = select(-seconds_until(WebhookSubscription.failing_since)).where(
        WebhookSubscription.id == subscription_id, WebhookSubscription.failing_since.is_not(None)
    )
    failing_seconds = session.scalar(failing)
    if failing_seconds is None:
        return None
    tries = exists().where(
        Task.system == select(Task.system).where(Task.id == task_id).scalar_subquery(),
        holds(Task.state, TaskState.RUNNING.value),
        Task.id < task_id,
        Task.lease_until > db_now(),
        Delivery.task_id == Task.id,
        Delivery.subscription_id == subscription_id,
    )
    if not session.scalar(select(tries)):
        return None
    return random.uniform(0.5, 1.0) * min(max(SHARE * float(failing_seconds), SHORTEST_SECONDS), LONGEST_SECONDS)
