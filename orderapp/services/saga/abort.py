"""TX3: aborts a placement and compensates it. Lease, state and allowed transitions exclude TX2 (`placing.tx2`)."""

from __future__ import annotations

import uuid

from sqlalchemy import update
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import News, OrderState, PlacementState, StepState
from orderapp.errors import LeaseLost
from orderapp.models import Placement, Step, Submission, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.db.transitions import move
from orderapp.services.saga.attempts import record_steps
from orderapp.services.saga.circuit_feedback import learn_from_steps
from orderapp.services.saga.compensation import close_if_complete, lock_order, plan_compensation, plan_surplus, reopen
from orderapp.services.saga.events import move_order
from orderapp.services.saga.news import announce
from orderapp.services.saga.submissions import give_up_lease
from orderapp.services.saga.values import Held, StepResult, Stopped
from orderapp.systems.registry import Systems


def abort_placement(held: Held, results: list[StepResult], systems: Systems) -> Stopped:
    """Abort the placement after a step that wasn't done.

    Transaction: one (TX3), committed here: the state of each step, the history, and a compensate task for each step
        that happened or may have happened. Without such steps the order fails immediately.
    Idempotent because, If we die here: as for `confirm`.

    Returns:
        Which system stopped the placement, and how.

    Raises:
        LeaseLost: another process has taken the placement over; nothing was written.
    """
    last = results[-1]
    stopped = Stopped(last.step.system, last.answer.outcome, last.answer.code, last.answer.shortage)
    with writing() as session:
        give_up_lease(session, held.submission_id, held.fencing)
        for result in results:
            _write_step(session, result)
        if held.resumed:
            # The previous holder may have called more systems than we did.
            reached = [result.step.id for result in results]
            _doubt_planned_steps(session, held.placement_id, reached)
        record_steps(session, held.order_id, results)
        _turn(session, held.order_id, held.placement_id, stopped, systems)
        learn_from_steps(session, results, held.admission, systems)
    return stopped


def check_back(session: Session, submission: Submission, systems: Systems) -> None:
    """Abort a placement whose holder died: every step may have happened.

    Transaction: within the caller's, which has just claimed the lapsed lease.
    """
    _doubt_planned_steps(session, submission.placement_id, [])
    stopped = Stopped("", Outcome.UNKNOWN, "interrupted")
    _turn(session, submission.order_id, submission.placement_id, stopped, systems)


def record_too_late(held: Held, results: list[StepResult], systems: Systems) -> None:
    """Record our calls after another process has taken the placement over, and compensate their late effects.

    If the other holder has confirmed the placement, an effect may exist twice: the surplus is taken back.

    Transaction: one, committed here.
    Idempotent because: reopening is compare-and-set; the history only grows.
    If we die here: reconciliation finds the effect.
    """
    with writing() as session:
        record_steps(session, held.order_id, results)
        lock_order(session, held.order_id)
        state = session.get_one(Placement, held.placement_id).state
        for result in results:
            if result.state not in (StepState.DONE, StepState.UNKNOWN):
                continue
            system = systems[result.step.system]
            if state in (PlacementState.COMPENSATING.value, PlacementState.COMPENSATED.value):
                reopen(session, held.order_id, held.placement_id, system)
            elif state == PlacementState.CONFIRMED.value:
                plan_surplus(session, held.order_id, held.placement_id, system)


def _turn(session: Session, order_id: uuid.UUID, placement_id: int, stopped: Stopped, systems: Systems) -> None:
    planned = plan_compensation(session, order_id, placement_id, systems)
    failure = {
        "failed_system": stopped.system or None,
        "failed_outcome": stopped.outcome.value,
        "failed_code": stopped.code[:64],
        "failed_sku": stopped.shortage.sku if stopped.shortage else None,
        "failed_available": stopped.shortage.available if stopped.shortage else None,
        "decided_at": db_now(),
    }
    compensating = PlacementState.COMPENSATING
    moved = move(session, Placement, compensating, Placement.id == placement_id, **failure) and move_order(
        session, order_id, OrderState.COMPENSATING, ends_as=OrderState.FAILED.value
    )
    if not moved:
        raise LeaseLost(f"placement {placement_id} was decided by somebody else")
    announce(session, order_id, placement_id, News.FAILED, systems)
    if not planned:
        close_if_complete(session, order_id, placement_id, systems)


def _write_step(session: Session, result: StepResult) -> None:
    answer = result.answer
    known = {"outcome": answer.outcome.value, "code": answer.code[:64], "decided_at": db_now()}
    if result.state is StepState.PLANNED:
        # Never sent: the step keeps its state, and gets the reason.
        session.execute(update(Step).where(Step.id == result.step.id).values(**known))
    else:
        move(session, Step, result.state, Step.id == result.step.id, **known)


def _doubt_planned_steps(session: Session, placement_id: int, reached: list[int]) -> None:
    move(
        session,
        Step,
        StepState.UNKNOWN,
        Step.placement_id == placement_id,
        Step.state == StepState.PLANNED.value,
        Step.id.not_in(reached),
        outcome=Outcome.UNKNOWN.value,
        code="interrupted",
        decided_at=db_now(),
    )
