"""Recovery, run by the timer: finds placements and tasks whose process died, and decides them.

Any number of timers may run: each recovery is a claim, so if two timers find the same work, only one recovers it.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import delete, exists, select, tuple_, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee, Used, Verdict, decide
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import BasketLine, CartLock, RateCounter, Step, Submission, Task, db_now
from orderapp.services.access import customer_sessions
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.transitions import move
from orderapp.services.engine.callbacks import forget_unknown
from orderapp.services.engine.poison import LEASE_LAPSED
from orderapp.services.resilience.skipped_items import Kind, forget_old, left_out, skipping
from orderapp.services.saga.abort import check_back
from orderapp.services.saga.attempts import record_attempt, verb_of
from orderapp.services.saga.values import Try
from orderapp.systems.base import System

log = structlog.get_logger()

# Limits a pass, so that it stays short; if there is more to do, the next pass follows immediately.
BATCH = 100
# The duplicate window starts again when an order is decided. A resumed placement is decided within two leases (of at
# most 3600 s each), so locks are kept that long.
CART_LOCKS_KEPT_SECONDS = 7200
OLD_LINES = 1000  # a transaction of some tens of milliseconds; far more than become old between two passes
BASKETS_KEPT_SECONDS = 30 * 86_400  # as long as people come back to what they wanted

WORKER_DIED = Answer(
    Outcome.UNKNOWN,
    LEASE_LAPSED,
    "its worker ended or hung without an answer; what came of the call is unknown",
    called=False,
)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What one pass of the timer recovered."""

    placements: int
    tasks: int

    @property
    def more(self) -> bool:
        """Whether there may be more to do right now."""
        return self.placements >= BATCH or self.tasks >= BATCH


def recover(settings: Settings) -> Recovered:
    """Recover placements whose holder died and tasks whose worker died.

    If a recovery raises, it is skipped and the others go on.

    Transaction: one per recovery, committed here.
    Idempotent because: each recovery is conditional on the lapsed lease that it found.
    If we die here: the next pass, of this timer or another, finds the rest.
    """
    # A timer of an older release leaves the rows of a new system to a timer that knows it.
    known = list(settings.runnable)
    foreign = exists().where(Step.placement_id == Submission.placement_id, Step.system.not_in(list(settings.systems)))
    with reading() as session:
        submissions = session.scalars(
            select(Submission.id)
            .where(Submission.lease_until < db_now(), ~foreign, ~left_out(Kind.PLACEMENT, Submission.id))
            .order_by(Submission.lease_until)
            .limit(BATCH)
        ).all()
        tasks = session.scalars(
            select(Task.id)
            .where(Task.lease_until < db_now(), Task.system.in_(known), ~left_out(Kind.TASK, Task.id))
            .order_by(Task.lease_until)
            .limit(BATCH)
        ).all()
    placements = recovered_tasks = 0
    for submission_id in submissions:
        with skipping(Kind.PLACEMENT, submission_id):
            placements += _recover_placement(submission_id, settings)
    for task_id in tasks:
        with skipping(Kind.TASK, task_id):
            recovered_tasks += _recover_task(task_id, settings)
    return Recovered(placements, recovered_tasks)


def tidy() -> None:
    """Delete rows that are no longer needed: expired locks, counters, baskets, sign-in links and sessions of customers,
    and skipped items that recovered.

    Transaction: one, committed here.
    """
    with writing() as session:
        session.execute(delete(CartLock).where(CartLock.expires_at < db_now(-CART_LOCKS_KEPT_SECONDS)))
        session.execute(delete(RateCounter).where(RateCounter.window_ends_at < db_now()))
        line = tuple_(BasketLine.basket, BasketLine.sku)
        old = select(BasketLine.basket, BasketLine.sku).where(BasketLine.changed_at < db_now(-BASKETS_KEPT_SECONDS))
        session.execute(delete(BasketLine).where(line.in_(old.order_by(BasketLine.changed_at).limit(OLD_LINES))))
        customer_sessions.delete_ended(session)
        forget_old(session)
        forget_unknown(session)


def _free(session: Session, model: type[Submission | Task], row_id: int) -> bool:
    """Lock a row and return True; False if somebody has it right now: then it isn't left behind, and can wait.

    To wait for it would hold up everything that is recovered after it.
    """
    free = select(model.id).where(model.id == row_id).with_for_update(skip_locked=True, key_share=True)
    return session.scalar(free) is not None


def _recover_placement(submission_id: int, settings: Settings) -> bool:
    """Check back: take over a placement whose holder died and decide to compensate it, in one transaction."""
    with writing() as session:
        if not _free(session, Submission, submission_id):
            return False
        claimed = session.execute(
            update(Submission)
            .where(Submission.id == submission_id, Submission.lease_until < db_now())
            .values(lease_until=None, fencing=Submission.fencing + 1)
            .returning(Submission.id)
        ).scalar_one_or_none()
        if claimed is None:
            return False
        submission = session.get_one(Submission, submission_id)
        check_back(session, submission, settings.systems)
    log.warning("placement.checked_back", submission=submission_id)
    return True


def _recover_task(task_id: int, settings: Settings) -> bool:
    """Make a task whose worker died due again, or hand it to staff. The claim has already counted its attempt."""
    with writing() as session:
        task = session.get(Task, task_id) if _free(session, Task, task_id) else None
        if task is None:
            return False
        runs = settings.runnable[task.system]
        used = Used(task.attempts, task.attempt_limit)
        guarantee = runs.guarantee if isinstance(runs, System) else Guarantee.IDEMPOTENT
        decision = decide(WORKER_DIED, used, runs.backoff, guarantee, random.Random())
        lapsed = (Task.id == task_id, Task.fencing == task.fencing, Task.lease_until < db_now())
        later = decision.verdict is Verdict.RETRY
        # An effect that the dead worker asked for may still appear; an undo or a job adds none.
        late: dict[str, Any] = {}
        if isinstance(runs, System) and task.kind != TaskKind.COMPENSATE.value:
            late["absent_from"] = db_now(runs.late_window_seconds)
        moved = move(
            session,
            Task,
            TaskState.WAITING if later else TaskState.FAILED,
            *lapsed,
            fencing=Task.fencing + 1,
            lease_until=None,
            due_at=db_now(decision.delay_seconds) if later else None,
            publish_at=db_now(decision.delay_seconds) if later else None,
            last_code=WORKER_DIED.code,
            last_message=decision.reason[:500],
            **late,
        )
        if not moved:
            return False
        now = time.monotonic()
        record_attempt(session, task, Try(verb_of(task), WORKER_DIED, now, now))
    log.warning("task.lease_lapsed", task=task_id, verdict=decision.verdict.value)
    return True
