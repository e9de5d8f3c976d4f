"""Runs one task: claim, call, record. The same engine for settle, compensate and notify.

claiming     the state, the lease, the fencing token, the attempt counted; a transaction of its own
performing   what the system's declaration allows, no transaction open
here         the attempt, and what becomes of the task; a transaction of its own, conditional on the fencing token
"""

from __future__ import annotations

import random
import time
from functools import cache, lru_cache
from typing import Any

import structlog
from sqlalchemy import Float, Update, bindparam
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from orderapp.config import Settings
from orderapp.domain.keys import next_key
from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Decision, Verdict, decide
from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.models import Override, Step, Task, db_now, table_of
from orderapp.services.claiming import Claim, claim
from orderapp.services.compensation import close_if_complete, lock_order, plan_surplus, reopen
from orderapp.services.database import at_once, statements_nest, writing
from orderapp.services.history import attempt_parameters, record_attempt, recording_if
from orderapp.services.learning import learn_from_run
from orderapp.services.pacing import in_turn
from orderapp.services.performing import KEY_BARRED, perform
from orderapp.services.placement import Try
from orderapp.services.staff_words import has_unproven_word, settle
from orderapp.services.transitions import move, moving
from orderapp.systems.base import System

log = structlog.get_logger()

_TASKS = table_of(Task).c


def run_task(task_id: int, settings: Settings) -> TaskState | None:
    """Run a task once, if it is due and nobody else has it.

    Transaction: two, none open while the system is called.
    Idempotent because: the claim is one conditional statement; a second message for the same task finds nothing to do.
    If we die here: the lease runs out and the timer makes the task due again; the attempt stays counted.

    Returns:
        The task's new state; None where there was nothing to do, or where it was taken from us.

    """
    held = claim(task_id, settings)
    if held is None:
        return None
    system = settings.systems[held.task.system]
    started = time.monotonic()
    verb, answer = perform(held, in_turn(system, held.turns))
    one = Try(verb, answer, started, time.monotonic())
    decision = decide(
        answer, held.task.attempts, held.task.attempt_limit, system.backoff, system.guarantee, random.Random()
    )
    state = _end_at_once(held, one, decision, system) or _record(held, one, decision, system)
    log.info(
        "task.run",
        task=held.task.id,
        order=held.effect.order.number,
        kind=held.task.kind,
        system=system.name,
        outcome=answer.outcome.value,
        code=answer.code,
        verdict=decision.verdict.value,
        lost=state is None,
    )
    return state


def _end_at_once(held: Claim, one: Try, decision: Decision, system: System) -> TaskState | None:
    """Record that a task is done where nothing else follows from it, as is usual: one statement, which commits itself.

    None, and nothing written, where more follows, where the task was taken from us, and on SQLite.
    """
    undoing = held.task.kind == TaskKind.COMPENSATE.value
    if decision.verdict is not Verdict.DONE or undoing or held.probing or not statements_nest():
        return None
    wanted = _ending(held.task, one, decision, system) | attempt_parameters(held.task, one)
    with at_once() as connection:
        recorded = connection.execute(_done_at_once(), wanted).one_or_none()
    return TaskState.DONE if recorded else None


@cache
def _done_at_once() -> ReturningInsert[int]:
    done = _moving_on(TaskState.DONE, in_doubt=False, snoozed=False, new_key=False).where(~has_unproven_word(_TASKS.id))
    return recording_if(done.returning(_TASKS.id).cte("done"))


def _record(held: Claim, one: Try, decision: Decision, system: System) -> TaskState | None:
    task = held.task
    with writing() as session:
        if task.kind == TaskKind.COMPENSATE.value:
            lock_order(session, task.order_id)
        record_attempt(session, task, one)
        state = _move_task(session, task, one, decision, system)
        if state is None:
            _record_too_late(session, task, one, system)
            if one.verb == "act" and one.answer.outcome is Outcome.DONE:
                settle(session, Override.task_id == task.id, "the system answered late: done")
            return None
        if state is TaskState.DONE:
            settle(session, Override.task_id == task.id, f"the system answered: {one.answer.message or 'done'}")
        # With `keep`, one effect is still in place, as it should be.
        if task.kind == TaskKind.COMPENSATE.value and state is TaskState.DONE and not task.keep:
            if task.step_id is not None:
                move(session, Step, StepState.COMPENSATED, Step.id == task.step_id, decided_at=db_now())
            close_if_complete(session, task.order_id, task.placement_id)
        learn_from_run(session, system, one.answer, probing=held.probing)
    return state


def _move_task(session: Session, task: Task, one: Try, decision: Decision, system: System) -> TaskState | None:
    """Move the task by the decision, if it is still ours; return its new state, or None."""
    state = {
        Verdict.DONE: TaskState.DONE,
        Verdict.STAFF: TaskState.FAILED,
        Verdict.SNOOZE: TaskState.WAITING,
        Verdict.RETRY: TaskState.WAITING,
    }[decision.verdict]
    barred = one.answer.code == KEY_BARRED
    moving_on = _moving_on(
        state,
        in_doubt=one.verb == "act" and one.answer.outcome is Outcome.UNKNOWN,
        snoozed=decision.verdict is Verdict.SNOOZE,
        new_key=barred,
    )
    wanted = _ending(task, one, decision, system) | ({"next_key": next_key(task.key)} if barred else {})
    return state if session.connection().execute(moving_on, wanted).rowcount else None


def _ending(task: Task, one: Try, decision: Decision, system: System) -> dict[str, Any]:
    """Return the parameters of `_moving_on`, but for a new key."""
    return {
        "our_task": task.id,
        "our_fencing": task.fencing,
        "our_claims": task.claims,
        "new_code": one.answer.code[:64],
        "new_message": decision.reason[:500],
        "late_window_seconds": system.late_window_seconds,
        "delay_seconds": decision.delay_seconds,
    }


@lru_cache(maxsize=32)  # every task ends here, in one of a few ways
def _moving_on(state: TaskState, *, in_doubt: bool, snoozed: bool, new_key: bool) -> Update:
    """Return the statement that ends a run, on condition that the task is still ours."""
    later = db_now(bindparam("delay_seconds", type_=Float)) if state is TaskState.WAITING else None
    values: dict[str, Any] = {
        "lease_until": None,
        "last_code": bindparam("new_code"),
        "last_message": bindparam("new_message"),
        "due_at": later,
        "publish_at": later,
    }
    if in_doubt:
        values["absent_from"] = db_now(bindparam("late_window_seconds", type_=Float))
    if state is TaskState.DONE:
        values["finished_at"] = db_now()
    if new_key:
        # Committed before it is used, like every key.
        values |= {"key": bindparam("next_key"), "key_dies_at": None, "cleared_claims": bindparam("our_claims")}
    if snoozed:
        # A snooze gives its attempt back.
        values["attempts"] = _TASKS.attempts - 1
    ours = (_TASKS.id == bindparam("our_task"), _TASKS.fencing == bindparam("our_fencing"))
    return moving(Task, state).where(*ours, _TASKS.state == TaskState.RUNNING.value).values(values)


def _record_too_late(session: Session, task: Task, one: Try, system: System) -> None:
    """The task was taken from us: what we brought about meanwhile must not be forgotten.

    A settlement that came after its order was cancelled is compensated (again). A notification can't be. Of a
    confirmed order's, the next holder may have asked before ours came and brought it about once more.
    """
    log.warning("task.lease_lost", task=task.id, system=system.name, outcome=one.answer.outcome.value)
    # A settle task may also do a step's part once more, so its kind counts, not the system's part.
    settles = task.kind == TaskKind.SETTLE.value
    if one.verb != "act" or not settles or one.answer.outcome in (Outcome.REFUSED, Outcome.NOT_SENT):
        return
    order_state = lock_order(session, task.order_id).state
    if order_state in (OrderState.COMPENSATING.value, OrderState.CANCELLED.value):
        reopen(session, task.order_id, task.placement_id, system)
    elif order_state == OrderState.CONFIRMED.value:
        plan_surplus(session, task.order_id, task.placement_id, system)
