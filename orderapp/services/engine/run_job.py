"""Runs one task of a job: claim, call its function, record. It is the way of every task, without an order.

The function runs in a thread of its own: one that hangs costs its lease, and neither the worker's thread nor the rest.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.outcome import Answer
from orderapp.domain.retry import Decision, Guarantee, Used, Verdict, decide
from orderapp.domain.states import TaskState
from orderapp.domain.verbs import Verb
from orderapp.models import Task, table_of
from orderapp.services.db.transactions import writing
from orderapp.services.engine import poison
from orderapp.services.engine.claim import NotBeside, if_due, turns_of
from orderapp.services.engine.claim_plan import claimable, taking
from orderapp.services.engine.held_run import HeldRun
from orderapp.services.engine.job_answers import answer_of, answer_of_error, answer_of_snooze
from orderapp.services.engine.moving_on import moving_on
from orderapp.services.resilience.rate_limiter import RATE_LIMITED, Turns
from orderapp.services.saga.attempts import record_attempt, says_the_same
from orderapp.services.saga.values import Try
from orderapp.systems.jobs import Job
from orderapp.systems.runs import NeedsAttention, Run, Snooze, TryAgain

log = structlog.get_logger()

# A job that snoozes again and again for the same reason may get nowhere. So after a few times its runs begin a second
# apart, then two, up to this; a job whose runs are longer, or that says how far it is, isn't held up.
FREE_REPEATS = 8
MOST_SECONDS_APART = 10.0

STATES = {
    Verdict.DONE: TaskState.DONE,
    Verdict.STAFF: TaskState.FAILED,
    Verdict.SNOOZE: TaskState.WAITING,
    Verdict.RETRY: TaskState.WAITING,
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job's task that we hold until its lease ends."""

    job: Job
    run: HeldRun
    turns: Turns | None


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run came to, and what happens to its task."""

    one: Try
    decision: Decision


def run_job(task_id: int, settings: Settings, may_go_on: Callable[[], bool] = lambda: True) -> TaskState | None:
    """Run a job's task once, if it is due and no other worker has it.

    Transaction: two, none open while the job runs; it opens its own.
    Idempotent because: the claim is one conditional statement; a second message for the same task finds nothing to do.
    If we die here: the lease runs out and the timer makes the task due again; the attempt stays counted.

    Args:
        task_id: The task.
        settings: The jobs.
        may_go_on: Whether the worker may begin more work; a job of many parts asks it.

    Returns:
        The task's new state; None if there was nothing to do, the task was taken from us, or the job hangs.
    """
    claimed = _claim(task_id, settings, may_go_on)
    if claimed is None:
        return None
    ended = _run(claimed, settings)
    return _record(claimed, ended) if ended else None


def _claim(task_id: int, settings: Settings, may_go_on: Callable[[], bool]) -> Claimed | None:
    def take(session: Session) -> Claimed | None:
        lease_ends_at = time.monotonic()
        job = _job_of(session, task_id, settings)
        if job is None:
            return None
        lease_seconds = job.own_lease_seconds or settings.task_lease_seconds
        which = (Task.id == task_id, *claimable((job.name,)))
        statement = taking(*which).returning(*table_of(Task).c)
        row = session.connection().execute(statement, {"lease_seconds": lease_seconds}).one_or_none()
        if row is None:
            return None
        task = Task(**row._mapping)
        if poison.another_runs(session, task):
            raise NotBeside
        turns = turns_of(session, job, 1)
        return Claimed(job, HeldRun(task, lease_seconds, lease_ends_at + lease_seconds, settings, may_go_on), turns)

    return if_due(task_id, settings, take)


def _job_of(session: Session, task_id: int, settings: Settings) -> Job | None:
    task = session.get(Task, task_id)
    return settings.jobs.get(task.system) if task is not None else None


def _run(claimed: Claimed, settings: Settings) -> Ended | None:
    """Call the job and decide what happens to its task; None if it hangs until its lease is over."""
    job, run, task = claimed.job, claimed.run, claimed.run.task
    started, arguments = time.monotonic(), task.arguments or ""
    snoozed_seconds: float | None = None
    if claimed.turns is not None and not claimed.turns.wait():
        answer = RATE_LIMITED
    else:
        called = _called(job, run)
        if called is None:
            run.log.error("job.hangs", after_seconds=round(time.monotonic() - started, 1))
            return None
        error = called.exception()
        if isinstance(error, Snooze):
            snoozed_seconds, answer = error.seconds, answer_of_snooze(error, arguments, settings.secrets)
        elif error is not None:
            if not isinstance(error, TryAgain | NeedsAttention):
                run.log.warning("job.raised", exc_info=error)
            answer = answer_of_error(error, arguments, settings.secrets)
        else:
            answer = answer_of(called.result(), arguments, settings.secrets)
    one = Try(Verb.RUN, answer, started, time.monotonic())
    return Ended(one, _decision(job, task, answer, snoozed_seconds))


def _called(job: Job, run: HeldRun) -> Future[Any] | None:
    """Return what the job came to, or None once its lease is over and it hasn't ended."""
    called: Future[Any] = Future()
    # In a copy of our context, so that it has the application too.
    call = partial(copy_context().run, _call, job, run, called)
    threading.Thread(target=call, name=f"job {job.name}", daemon=True).start()
    # The job itself may renew its lease meanwhile.
    while not wait([called], max(0.0, run.seconds_left())).done:
        if run.abandon_if_over():
            return None
    return called


def _call(job: Job, run: Run, called: Future[Any]) -> None:
    try:
        with structlog.contextvars.bound_contextvars(job=job.name, task=run.task_id):
            called.set_result(job(run))
    except BaseException as error:  # noqa: BLE001 - a job that exits has failed, and the worker goes on
        called.set_exception(error)


def _decision(job: Job, task: Task, answer: Answer, snoozed_seconds: float | None) -> Decision:
    if snoozed_seconds is not None:
        return Decision(Verdict.SNOOZE, snoozed_seconds, answer.message)
    used = Used(task.attempts, task.attempt_limit)
    return decide(answer, used, job.backoff, Guarantee.IDEMPOTENT, random.Random())


def _apart(asked_seconds: float, task: Task, one: Try) -> float:
    """Return how long to wait after a run that snoozed for the same reason as the one before."""
    more = task.repeats - FREE_REPEATS
    apart_seconds = min(2.0 ** min(more, 10), MOST_SECONDS_APART) if more >= 0 else 0.0
    return max(asked_seconds, apart_seconds - (one.ended_at - one.started_at))


def _record(claimed: Claimed, ended: Ended) -> TaskState | None:
    """Record the attempt and move the task, if it is still ours; return its new state, or None."""
    task, one, decision = claimed.run.task, ended.one, ended.decision
    snoozed = decision.verdict is Verdict.SNOOZE
    with writing() as session:
        # Put off once more for the same reason: only counted, so that a day of equal runs is one entry to read.
        repeats = snoozed and says_the_same(session, task, one)
        state: TaskState | None = STATES[decision.verdict]
        ending = moving_on(
            STATES[decision.verdict], in_doubt=False, snoozed=snoozed, repeats=repeats, new_key=False, unused=False
        )
        wanted = {
            "our_task": task.id,
            "our_fencing": task.fencing,
            "new_code": one.answer.code[:64],
            "new_message": decision.reason[:500],
            "delay_seconds": _apart(decision.delay_seconds, task, one) if repeats else decision.delay_seconds,
            "pending": int(snoozed),
        }
        if not session.connection().execute(ending, wanted).rowcount:
            state = None
        if state is None or not repeats:
            record_attempt(session, task, one)
    log.info(
        "task.run",
        task=task.id,
        kind=task.kind,
        system=claimed.job.name,
        outcome=one.answer.outcome.value,
        code=one.answer.code,
        verdict=decision.verdict.value,
        lost=state is None,
    )
    return state
