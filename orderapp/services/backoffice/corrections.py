"""Corrections: what staff order for a mismatch. Each becomes a task like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import MismatchState, OrderState, TaskKind, TaskState
from orderapp.domain.verbs import Verb
from orderapp.errors import WrongState
from orderapp.models import ManualResolution, Mismatch, Resolution, Task, db_now
from orderapp.services.backoffice.bulk import RowAct, Selection, decided_alone, each
from orderapp.services.backoffice.risks import Objection, Risk, refuse, risk_of_correcting
from orderapp.services.backoffice.task_actions import make_due
from orderapp.services.db.audit import Actor
from orderapp.services.db.transitions import move
from orderapp.services.reconciliation.compare import Correction
from orderapp.services.reconciliation.expected import Belief, EndedOrder, ended_orders
from orderapp.services.saga.attempts import record_attempt
from orderapp.services.saga.cancellation import turn_to_cancelled
from orderapp.services.saga.compensation import lock_order, plan_surplus, take_back
from orderapp.services.saga.manual_resolutions import end_resolutions
from orderapp.services.saga.new_tasks import new_task
from orderapp.services.saga.prior_attempts import CORRECTION
from orderapp.services.saga.values import Try
from orderapp.systems.base import Part, System
from orderapp.systems.registry import Systems

log = structlog.get_logger()

# Recorded in the history of a task whose call isn't harmless to repeat: reconciliation's answer for its key.
SHOWED_NOTHING = Answer(
    Outcome.UNKNOWN, CORRECTION, "reconciliation found nothing there; it is asked again before it is done again"
)
FOUND_NOTHING = "reconciliation found nothing there"


def order_corrections(
    mismatch_ids: Iterable[int], actor: Actor, reason: str, settings: Settings, despite: Risk | None = None
) -> Selection:
    """Order the corrections that reconciliation proposed, for each mismatch whose order hasn't changed since.

    Transaction: one per mismatch, committed here: its state, the task, the audit row; one refusal doesn't stop the
        rest.
    Idempotent because: only an open mismatch is corrected, by compare-and-set; a placement has one task for each effect
        and direction (unique), which is restarted.
    If we die here: ordered corrections are recorded, the other mismatches are unchanged; the relay finds the tasks.

    Args:
        mismatch_ids: The mismatches, in any sequence.
        actor: Who orders the corrections.
        reason: Why.
        settings: The systems.
        despite: The risk that the actor has accepted, for one mismatch alone.

    Returns:
        The result for each. Refused are mismatches whose correction is already ordered, that have none, or whose order
        has changed; and, unless the risk was accepted, those whose correction may do something twice or end an order.

    Raises:
        InvalidRequest: the reason isn't acceptable, there is no mismatch or more than MAX_SELECTION, or a risk was
            accepted for several.
    """
    ids = decided_alone(mismatch_ids, despite)
    act = RowAct(Mismatch, "correct", "The correction of mismatch {} is ordered.")
    return each(
        act, ids, actor, reason, lambda session, mismatch, _: _correct(session, mismatch, actor, settings, despite)
    )


def objection_to_correction(mismatch: Mismatch, systems: Systems) -> Objection | None:
    """Return why a mismatch can't be corrected, or needs its own decision, as far as its row says."""
    if mismatch.state == MismatchState.CORRECTING.value:
        return Objection("its correction is under way")
    if mismatch.state == MismatchState.GONE.value:
        return Objection("it is gone")
    if not mismatch.correction:
        return Objection("there is nothing to do but to look again")
    return risk_of_correcting(mismatch, systems.get(mismatch.system))


def _correct(
    session: Session, mismatch: Mismatch, actor: Actor, settings: Settings, despite: Risk | None
) -> Mapping[str, Any]:
    # Lock the order first: a transaction that cancels or compensates it does so too, before it changes tasks.
    lock_order(session, mismatch.order_id)
    session.refresh(mismatch)
    refuse(f"Mismatch {mismatch.id} can't be corrected", objection_to_correction(mismatch, settings.systems), despite)
    order, belief = _as_found(session, mismatch)
    task_id = CORRECTIONS[Correction(mismatch.correction)](session, order, belief, settings)
    if not move(session, Mismatch, MismatchState.CORRECTING, Mismatch.id == mismatch.id, task_id=task_id):
        raise WrongState(f"Mismatch {mismatch.id} was changed at this very moment. Nothing was changed.")
    given_up = (ManualResolution.task_id == task_id) & (ManualResolution.resolution == Resolution.GIVEN_UP.value)
    end_resolutions(session, given_up, f"taken back by {actor.name}: corrected")
    log.info(
        "mismatch.correct",
        mismatch=mismatch.id,
        order=order.number,
        correction=mismatch.correction,
        task=task_id,
        by=actor.staff_id,
    )
    about = {"correction": mismatch.correction, "system": mismatch.system, "key": mismatch.key, "task": task_id}
    return {**about, **({"despite": despite.value} if despite else {})}


def _as_found(session: Session, mismatch: Mismatch) -> tuple[EndedOrder, Belief]:
    """Return the order and what our rows say about the mismatch's key, if they are still the same.

    Running corrections of the order's other mismatches don't count as a change: each concerns another effect.
    """
    gone_on = WrongState(
        f"Mismatch {mismatch.id} can't be corrected: its order has gone on since it was found. Nothing was changed; "
        "the next reconciliation sees where it arrived."
    )
    under_way = select(Mismatch.task_id).where(
        Mismatch.order_id == mismatch.order_id,
        Mismatch.state == MismatchState.CORRECTING.value,
        Mismatch.task_id.is_not(None),
    )
    correcting = [task_id for task_id in session.scalars(under_way) if task_id is not None]
    order = next(iter(ended_orders(session, [mismatch.order_id], correcting)), None)
    if order is None:
        raise gone_on
    belief = next((one for one in order.beliefs if one.key == mismatch.key), None)
    forward = mismatch.correction != Correction.UNDO.value
    if belief is None or belief.ours != mismatch.ours or belief.held != forward:
        raise gone_on
    if forward and order.state != OrderState.CONFIRMED.value:
        raise gone_on
    return order, belief


def _undo(session: Session, order: EndedOrder, belief: Belief, settings: Settings) -> int:
    system = _system(belief, settings)
    take_back(session, order.id, belief.placement_id, system, belief.key, belief.step_id)
    return _task(session, belief, TaskKind.COMPENSATE).id


def _undo_surplus(session: Session, order: EndedOrder, belief: Belief, settings: Settings) -> int:
    plan_surplus(session, order.id, belief.placement_id, _system(belief, settings))
    return _task(session, belief, TaskKind.COMPENSATE).id


def _cancel(session: Session, order: EndedOrder, _belief: Belief, settings: Settings) -> None:
    turn_to_cancelled(session, order.id, settings.systems)


def _do(session: Session, order: EndedOrder, belief: Belief, settings: Settings) -> int:
    """Make a task due that causes the effect under its key: its settle task, or a new one that repeats the step's call.

    A later cancellation compensates it once, under the same key.
    """
    system = _system(belief, settings)
    asks_first = system.guarantee is Guarantee.QUERY_FIRST or system.key_window_seconds is not None
    task = _find_task(session, belief, _forward_kind(system)) or _write_settle_task(session, order, belief, system)
    # This counts as a claim with an unknown outcome, so the engine first waits for the late window and asks the system;
    # it also checks the age of the key.
    window = {"absent_from": db_now(system.late_window_seconds)}
    doubted: dict[str, Any] = {"claims": Task.claims + 1, **window} if asks_first else {}
    if not make_due(session, task, system, last_code=None, last_message=FOUND_NOTHING, **doubted):
        raise WrongState("The task that would do it was changed at this very moment. Nothing was changed.")
    if asks_first:
        session.refresh(task)
        now = time.monotonic()
        record_attempt(session, task, Try(Verb.ASK, SHOWED_NOTHING, now, now))
    return task.id


def _write_settle_task(session: Session, order: EndedOrder, belief: Belief, system: System) -> Task:
    """Write the task as cancelled, so that nothing runs it before it is made due."""
    task_id = session.execute(
        insert(Task)
        .values(
            order_id=order.id,
            placement_id=belief.placement_id,
            step_id=belief.step_id,
            **new_task(_forward_kind(system), system, belief.key, TaskState.CANCELLED),
            key_used_at=belief.used_at,
            created_at=db_now(),
        )
        .returning(Task.id)
    ).scalar_one()
    return session.get_one(Task, task_id)


def _forward_kind(system: System) -> TaskKind:
    """Return the kind of the task that causes a system's effect; a step's call is repeated by one to settle."""
    return TaskKind.SETTLE if system.part is Part.BLOCKING else system.part.task_kind


def _system(belief: Belief, settings: Settings) -> System:
    system = settings.systems.get(belief.system)
    if system is None:
        raise WrongState(f"There is no system {belief.system} any more. Nothing was changed.")
    return system


def _task(session: Session, belief: Belief, kind: TaskKind) -> Task:
    task = _find_task(session, belief, kind)
    if task is None:
        raise LookupError(f"no {kind.value} task for {belief.key}")
    return task


def _find_task(session: Session, belief: Belief, kind: TaskKind) -> Task | None:
    return session.scalars(
        select(Task).where(
            Task.placement_id == belief.placement_id, Task.kind == kind.value, Task.system == belief.system
        )
    ).one_or_none()


CORRECTIONS: Mapping[Correction, Callable[[Session, EndedOrder, Belief, Settings], int | None]] = {
    Correction.DO: _do,
    Correction.UNDO: _undo,
    Correction.UNDO_SURPLUS: _undo_surplus,
    Correction.CANCEL: _cancel,
}
