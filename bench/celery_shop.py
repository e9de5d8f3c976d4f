"""The plain shop with Celery for what comes after the answer, as its documentation has it done for work that matters.

Publishing waits for the broker's confirmation, tasks are acknowledged once they are done and repeated where they fail,
and an order's row says what was done. A shop that dies between its commit and the publishing still loses both tasks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery import Celery  # type: ignore[import-not-found,unused-ignore]
from sqlalchemy import update

from bench.baseline import Order, Session, make_app, send_text, settle

tasks = Celery("bench", broker=os.environ["RABBITMQ_URL"])
tasks.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_delivery_mode="persistent",
    broker_transport_options={"confirm_publish": True},
    broker_pool_limit=20,  # a connection for each thread of a web process, and some
    worker_prefetch_multiplier=4,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
REPEATS = {"autoretry_for": (Exception,), "max_retries": 10, "retry_backoff": True, "retry_jitter": True}
FACTS = ("number", "email", "phone", "total_minor")


def _settle(facts: dict[str, Any]) -> None:
    _do(settle, facts, "settled_at")


def _tell(facts: dict[str, Any]) -> None:
    _do(send_text, facts, "told_at")


def _do(what: Callable[[Order], None], facts: dict[str, Any], done_at: str) -> None:
    what(Order(**facts))
    now = datetime.now(UTC).replace(tzinfo=None)
    with Session.begin() as session:
        session.execute(update(Order).where(Order.number == facts["number"]).values({done_at: now}))


settle_task = tasks.task(_settle, name="settle", **REPEATS)
tell_task = tasks.task(_tell, name="tell", **REPEATS)


def _in_tasks(order: Order) -> None:
    facts = {name: getattr(order, name) for name in FACTS}
    settle_task.delay(facts)
    tell_task.delay(facts)


app = make_app(_in_tasks)
