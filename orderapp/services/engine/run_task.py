"""Runs one task: claim, call, record. Settle, compensate and notify tasks all run here.

claim      takes the lease and the fencing token, counts the attempt; in its own transaction
perform    makes the calls that the system's guarantee allows; no transaction is open
run        records the attempt and the task's new state; in its own transaction, under the fencing token
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import and_, exists, or_, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.keys import next_key
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Used, Verdict, decide
from orderapp.domain.states import LASTING_KINDS, OrderState, StepState, TaskKind, TaskState
from orderapp.domain.verbs import Verb
from orderapp.errors import DatabaseUnavailable
from orderapp.models import Attempt, ManualResolution, Step, Task, db_now
from orderapp.services.db.transactions import reading, writing
from orderapp.services.db.transitions import move
from orderapp.services.engine import order_of_work
from orderapp.services.engine.callbacks import act_on_heard
from orderapp.services.engine.claim import Claim, claim
from orderapp.services.engine.ended_run import Ran
from orderapp.services.engine.finish import finish
from orderapp.services.engine.moving_on import moving_on
from orderapp.services.engine.perform import KEY_BARRED, perform
from orderapp.services.resilience.rate_limiter import in_turn
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.services.saga.attempts import record_attempt, says_the_same, worker_name
from orderapp.services.saga.cancellation import turn_to_cancelled
from orderapp.services.saga.circuit_feedback import learn_from_run
from orderapp.services.saga.compensation import close_if_complete, lock_order, plan_surplus, reopen
from orderapp.services.saga.events import is_heard, tell_if_consistent
from orderapp.services.saga.manual_resolutions import end_resolutions
from orderapp.services.saga.prior_attempts import others_get_through
from orderapp.services.saga.unknown_systems import systems_missing
from orderapp.services.saga.values import Stopped, Try
from orderapp.systems.base import System

log = structlog.get_logger()

# A lost connection is replaced immediately, and a restarted server is back within seconds. More would delay a worker
# that must stop.
RECORD_AGAIN_AFTER_SECONDS = (0.0, 1.0, 5.0)


def run_task(task_id: int, settings: Settings) -> TaskState | None:
    """Run a task once, if it is due and no other worker has it.

    Transaction: two, none open while the system is called.
    Idempotent because: the claim is one conditional statement; a second message for the same task finds nothing to do.
    If we die here: the lease runs out and the timer makes the task due again; the attempt stays counted.

    Returns:
        The task's new state; None if there was nothing to do, or if the task was taken from us.
    """
    held = claim(task_id, settings)
    return record_runs([make_run(held, settings)])[task_id] if held else None


def make_run(held: Claim, settings: Settings) -> Ran:
    """Call the system of a claimed task, and decide what happens to the task.

    Idempotent because, If we die here: as for `perform.perform`.
    """
    task, system = held.task, settings.systems[held.task.system]
    started = time.monotonic()
    verb, answer = perform(held, in_turn(system, held.turns))
    if answer.locked_out and others_get_through(task, verb, answer.code):
        answer = replace(answer, locked_out=False, message=f"{answer.message}; others of its calls get through")
    one = Try(verb, answer, started, time.monotonic())
    used = Used(task.attempts, task.attempt_limit, task.pending_answers)
    decision = decide(answer, used, system.backoff, system.guarantee, random.Random())
    return Ran(held, system, one, decision, settings.systems)


def record_runs(runs: Sequence[Ran]) -> dict[int, TaskState | None]:
    """Record runs and move their tasks; return the tasks' new states, None for a task that was taken from us.

    Transaction: one for all runs that are plainly done, one for each of the others. After a lost connection, runs that
        were not recorded are tried again.
    Idempotent because: each task is moved once, under its fencing token.
    If we die here: the next claims of the tasks repeat what isn't recorded.

    Raises:
        DatabaseUnavailable: the database was away for longer than RECORD_AGAIN_AFTER_SECONDS.
    """
    pauses_seconds, failed = list(RECORD_AGAIN_AFTER_SECONDS), False
    while True:
        try:
            recorded = _recorded(runs) if failed else {}
            return recorded | _record_runs([run for run in runs if run.held.task.id not in recorded])
        except DatabaseUnavailable:
            if not pauses_seconds:
                raise
            # Only this process knows the systems' answers. Without them, calls would be repeated, and staff would have
            # to find out which messages were sent.
            failed, pause_seconds = True, pauses_seconds.pop(0)
            log.warning("task.not_recorded", tasks=[run.held.task.id for run in runs], again_in_seconds=pause_seconds)
            time.sleep(pause_seconds)


def _recorded(runs: Sequence[Ran]) -> dict[int, TaskState | None]:
    """Return the new states of the tasks whose runs are recorded, when it is unknown what was committed."""
    recorded: dict[int, TaskState | None] = {}
    with reading() as session:
        for task in (run.held.task for run in runs):
            written = exists().where(
                Attempt.task_id == Task.id, Attempt.number == task.claims, Attempt.worker == worker_name()
            )
            # A repeated answer has no attempt row, but its task still has our fencing token and isn't running.
            moved = and_(Task.fencing == task.fencing, Task.state != TaskState.RUNNING.value)
            state = session.scalar(select(Task.state).where(Task.id == task.id, or_(written, moved)))
            recorded |= {task.id: TaskState(state)} if state else {}
    return recorded


def _record_runs(runs: Sequence[Ran]) -> dict[int, TaskState | None]:
    plain = [run for run in runs if run.is_plainly_done]
    ended: frozenset[int] = frozenset()
    if plain:
        # If the common record raises, each run is recorded on its own.
        with skipping(Kind.SYSTEM, plain[0].system.name):
            ended = finish(plain)
    states: dict[int, TaskState | None] = {}
    for run in runs:
        task, answer = run.held.task, run.one.answer
        state = TaskState.DONE if task.id in ended else None
        if state is None:
            # If one raises, its task keeps its lease until recovery takes it; the others are recorded.
            with skipping(Kind.TASK, task.id):
                state = _record(run)
        states[task.id] = state
        log.info(
            "task.run",
            task=task.id,
            order=run.held.effect.order.number,
            kind=task.kind,
            system=run.system.name,
            outcome=answer.outcome.value,
            code=answer.code,
            verdict=run.decision.verdict.value,
            lost=state is None,
        )
    return states


def _record(run: Ran) -> TaskState | None:
    task, one, system = run.held.task, run.one, run.system
    with writing() as session:
        # Then the last of its order's runs tells that the order is consistent.
        heard = run.decision.verdict is Verdict.DONE and bool(session.scalar(select(is_heard())))
        if heard or task.kind == TaskKind.COMPENSATE.value or run.cancels_order or run.system.followers:
            lock_order(session, task.its_order_id)
        # Accepted earlier and still not finished: only counted, so that an hour of equal answers is one entry to read.
        repeats = _still_pending(one.answer) and says_the_same(session, task, one)
        state = _move_task(session, run, repeats=repeats)
        if state is None or not repeats:
            record_attempt(session, task, one)
        if state is None:
            _record_too_late(session, task, one, system)
            if one.verb == Verb.ACT and one.answer.outcome is Outcome.DONE:
                end_resolutions(session, ManualResolution.task_id == task.id, "the system answered late: done")
            return None
        if one.answer.code == KEY_BARRED and task.step_id is not None:
            # An effect has one key: undo and ask use the step's, so it must change too.
            session.execute(update(Step).where(Step.id == task.step_id).values(key=next_key(task.key)))
        _follow_up(session, run, state)
        if heard:
            tell_if_consistent(session, task.its_order_id)
        learn_from_run(session, system, one.answer, probing=run.held.probing)
    return state


def _follow_up(session: Session, run: Ran, state: TaskState) -> None:
    """Write what follows from a task's new state: for other tasks, and for its order."""
    task, one = run.held.task, run.one
    if state is TaskState.DONE:
        answered = f"the system answered: {one.answer.message or 'done'}"
        end_resolutions(session, ManualResolution.task_id == task.id, answered)
        order_of_work.release(session, task, run.systems)
    if state is TaskState.WAITING and _still_pending(one.answer):
        act_on_heard(session, task, run.system)
    if run.cancels_order and not systems_missing(session, task.its_order_id, run.systems):
        refusal = Stopped(task.system, Outcome.REFUSED, one.answer.code)
        turn_to_cancelled(session, task.its_order_id, run.systems, refusal)
    # With `keep`, one effect stays in place on purpose.
    if task.kind == TaskKind.COMPENSATE.value and state is TaskState.DONE and not task.keep:
        if task.step_id is not None:
            move(session, Step, StepState.COMPENSATED, Step.id == task.step_id, decided_at=db_now())
        close_if_complete(session, task.its_order_id, task.its_placement_id, run.systems)


def _still_pending(answer: Answer) -> bool:
    return answer.pending and answer.outcome is Outcome.DONE and answer.code != KEY_BARRED


def _move_task(session: Session, run: Ran, *, repeats: bool) -> TaskState | None:
    """Move the task as decided, if it is still ours; return its new state, or None."""
    task, one = run.held.task, run.one
    state = {
        Verdict.DONE: TaskState.DONE,
        Verdict.STAFF: TaskState.FAILED,
        Verdict.SNOOZE: TaskState.WAITING,
        Verdict.RETRY: TaskState.WAITING,
    }[run.decision.verdict]
    barred = one.answer.code == KEY_BARRED
    ending = moving_on(
        state,
        in_doubt=one.verb == Verb.ACT and one.answer.outcome is Outcome.UNKNOWN,
        snoozed=run.decision.verdict is Verdict.SNOOZE,
        repeats=repeats,
        new_key=barred,
        unused=one.verb == Verb.ACT and one.answer.outcome is Outcome.NOT_SENT and not run.held.known.used_before,
    )
    wanted = _ending(run) | ({"next_key": next_key(task.key)} if barred else {})
    return state if session.connection().execute(ending, wanted).rowcount else None


def _ending(run: Ran) -> dict[str, Any]:
    """Return the parameters of `moving_on`, except a new key."""
    task, answer = run.held.task, run.one.answer
    return {
        "our_task": task.id,
        "our_fencing": task.fencing,
        "our_claims": task.claims,
        "new_code": answer.code[:64],
        "new_message": run.decision.reason[:500],
        "late_window_seconds": run.system.late_window_seconds,
        "delay_seconds": run.decision.delay_seconds,
        "pending": int(_still_pending(answer)),
    }


def _record_too_late(session: Session, task: Task, one: Try, system: System) -> None:
    """Handle the effect of our call after the task was taken from us.

    If the order was cancelled meanwhile, a settlement is compensated (again); a notification can't be. If the order is
    confirmed, the next holder may have asked before our effect appeared and caused it a second time.
    """
    log.warning("task.lease_lost", task=task.id, system=system.name, outcome=one.answer.outcome.value)
    # A settle task may also repeat a step's call, so the task's kind counts, not the system's part.
    settles = task.kind in LASTING_KINDS
    if one.verb != Verb.ACT or not settles or one.answer.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
        return
    order_state = lock_order(session, task.its_order_id).state
    if order_state in (OrderState.COMPENSATING.value, OrderState.CANCELLED.value):
        reopen(session, task.its_order_id, task.its_placement_id, system)
    elif order_state == OrderState.CONFIRMED.value:
        plan_surplus(session, task.its_order_id, task.its_placement_id, system)
