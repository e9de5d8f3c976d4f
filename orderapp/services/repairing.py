"""Staff have a drift put right: one act, one task that the engine runs like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import DriftState, OrderState, TaskKind, TaskState
from orderapp.errors import Conflict, DatabaseUnavailable, InvalidRequest, NotFound, WrongState
from orderapp.models import Drift, Order, Override, Task, Word, db_now
from orderapp.services import audit
from orderapp.services.audit import Act, Actor
from orderapp.services.beliefs import Belief, Settled, settled_orders
from orderapp.services.cancelling import turn_to_cancelled
from orderapp.services.comparing import Repair
from orderapp.services.compensation import lock_order, plan_surplus, take_back
from orderapp.services.database import reading, writing
from orderapp.services.earlier_attempts import CORRECTION
from orderapp.services.history import record_attempt
from orderapp.services.placement import Try
from orderapp.services.staff_acts import make_due
from orderapp.services.staff_words import settle
from orderapp.services.transitions import move
from orderapp.systems.base import System

log = structlog.get_logger()

MAX_SELECTION = 500  # one press of a button answers within seconds; more is done in several goes
MAX_ID = 2**63 - 1  # what an id's column holds
# What a look came to, for the history of a task that repeats a call which isn't harmless to repeat.
SHOWED_NOTHING = Answer(
    Outcome.UNKNOWN, CORRECTION, "reconciliation found nothing there; it is asked again before it is done again"
)


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one drift of a selection: whether its repair was ordered, and why not.

    `order` is the number of its order; empty where there is no such drift.
    """

    drift: int
    order: str
    done: bool
    text: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What became of a selection; `audit_id` is the row that keeps it, None where only one drift was named."""

    items: tuple[ItemResult, ...]
    audit_id: int | None


def repair_drifts(drift_ids: Iterable[int], actor: Actor, reason: str, settings: Settings) -> Selection:
    """Have several drifts put right, each as `repair_drift` says, so that one refusal doesn't stop the rest.

    Transaction: one per drift, committed here.
    If we die here: what was ordered is ordered and recorded, the rest is as it was.

    Raises:
        InvalidRequest: the reason, no drift, or more than MAX_SELECTION.

    """
    why = audit.clean_reason(reason)
    # In one order for everybody, so that two selections never wait for each other's rows.
    ids = sorted(set(drift_ids))
    if not ids:
        raise InvalidRequest({"drift": ["Choose at least one drift."]})
    if ids[0] < 1 or ids[-1] > MAX_ID:
        raise InvalidRequest({"drift": ["Drifts have numbers from 1 on."]})
    if len(ids) > MAX_SELECTION:
        raise InvalidRequest({"drift": [f"At most {MAX_SELECTION} drifts can be chosen at once."]})
    items = tuple(_one(drift_id, actor, why, settings) for drift_id in ids)
    if len(items) == 1:
        return Selection(items, None)
    with writing() as session:
        act = Act("drifts.repair", f"{len(items)} drifts", why, details={"items": [asdict(item) for item in items]})
        return Selection(items, audit.write(session, actor, act))


def repair_drift(drift_id: int, actor: Actor, reason: str, settings: Settings) -> None:
    """Order the repair that reconciliation proposed, if the order is still as it was found.

    Transaction: one, committed here: the drift's state, the task, the audit row.
    Idempotent because: only an open drift is repaired, by compare-and-set; a placement has one task for each effect
        and direction (unique), which is taken up again.
    If we die here: before the commit nothing has changed; after it the relay finds the task.

    Raises:
        InvalidRequest: the reason.
        NotFound: there is no such drift.
        WrongState: its repair is ordered already, there is none, or the order has gone on; nothing was changed.

    """
    why = audit.clean_reason(reason)
    with writing() as session:
        drift = session.get(Drift, drift_id)
        if drift is None:
            raise NotFound(f"There is no drift {drift_id}.")
        # The order's row first: whoever turns the order round holds it, and ends or writes tasks afterwards.
        lock_order(session, drift.order_id)
        session.refresh(drift)
        order, belief = _as_found(session, drift)
        task_id = REPAIRS[Repair(drift.repair)](session, order, belief, settings)
        if not move(session, Drift, DriftState.REPAIRING, Drift.id == drift_id, task_id=task_id):
            raise WrongState(f"Drift {drift_id} was changed at this very moment. Nothing was changed.")
        given_up = (Override.task_id == task_id) & (Override.word == Word.GIVEN_UP.value)
        settle(session, given_up, f"taken back by {actor.name}: repaired")
        details = {"repair": drift.repair, "system": drift.system, "key": drift.key, "task": task_id}
        audit.write(session, actor, Act("drift.repair", f"drift {drift_id}", why, drift.order_id, details))
    log.info("drift.repair", drift=drift_id, order=order.number, repair=drift.repair, task=task_id, by=actor.staff_id)


def refusal_to_repair(state: str, repair: str) -> str | None:
    """Return why a drift can't be repaired by its own row, or None where it can."""
    if state == DriftState.REPAIRING.value:
        return "its repair is under way"
    if state == DriftState.GONE.value:
        return "it is gone"
    return None if repair else "there is nothing to do but to look again"


def _one(drift_id: int, actor: Actor, why: str, settings: Settings) -> ItemResult:
    number = ""
    try:
        with reading() as session:
            of_order = select(Order.number).join(Drift, Drift.order_id == Order.id)
            number = session.scalar(of_order.where(Drift.id == drift_id)) or ""
        repair_drift(drift_id, actor, why, settings)
    except (Conflict, NotFound) as error:
        return ItemResult(drift_id, number, False, str(error))
    except DatabaseUnavailable:
        told = "The database couldn't be used; look at the drift to see what became of it."
        return ItemResult(drift_id, number, False, told)
    return ItemResult(drift_id, number, True, f"The repair of drift {drift_id} is ordered.")


def _as_found(session: Session, drift: Drift) -> tuple[Settled, Belief]:
    """Return the order and what our rows say of the drift's key, if that is still what was found to differ."""
    if refusal := refusal_to_repair(drift.state, drift.repair):
        raise WrongState(f"Drift {drift.id} can't be repaired: {refusal}. Nothing was changed.")
    gone_on = WrongState(
        f"Drift {drift.id} can't be repaired: its order has gone on since it was found. Nothing was changed; "
        "the next reconciliation sees where it arrived."
    )
    order = next(iter(settled_orders(session, [drift.order_id])), None)
    if order is None:
        raise gone_on
    belief = next((one for one in order.beliefs if one.key == drift.key), None)
    forward = drift.repair != Repair.UNDO.value
    if belief is None or belief.ours != drift.ours or belief.held != forward:
        raise gone_on
    if forward and order.state != OrderState.CONFIRMED.value:
        raise gone_on
    return order, belief


def _undo(session: Session, order: Settled, belief: Belief, settings: Settings) -> int:
    system = _system(belief, settings)
    take_back(session, order.id, belief.placement_id, system, belief.key, belief.step_id)
    return _task(session, belief, TaskKind.COMPENSATE).id


def _undo_surplus(session: Session, order: Settled, belief: Belief, settings: Settings) -> int:
    plan_surplus(session, order.id, belief.placement_id, _system(belief, settings))
    return _task(session, belief, TaskKind.COMPENSATE).id


def _cancel(session: Session, order: Settled, _belief: Belief, settings: Settings) -> None:
    turn_to_cancelled(session, order.id, settings)


def _do(session: Session, order: Settled, belief: Belief, settings: Settings) -> int:
    """Have the effect brought about under its key: by its settle task, or by one that does the step's part once more.

    A later cancellation compensates it by the same key, once.
    """
    system = _system(belief, settings)
    asks_first = system.guarantee is Guarantee.QUERY_FIRST or system.key_window_seconds is not None
    task = _find_task(session, belief, TaskKind.SETTLE) or _write_settle_task(session, order, belief)
    # It counts as a claim that left the effect in doubt, so the engine asks before it acts, once the query can't lag
    # behind any more; and it asks how old the key is.
    window = {"absent_from": db_now(system.late_window_seconds)}
    doubted: dict[str, Any] = {"claims": Task.claims + 1, **window} if asks_first else {}
    if not make_due(session, task, system, last_message="reconciliation found nothing there", **doubted):
        raise WrongState("The task that would do it was changed at this very moment. Nothing was changed.")
    if asks_first:
        session.refresh(task)
        now = time.monotonic()
        record_attempt(session, task, Try("ask", SHOWED_NOTHING, now, now))
    return task.id


def _write_settle_task(session: Session, order: Settled, belief: Belief) -> Task:
    """Write it as cancelled: nothing runs it before it is made due."""
    task_id = session.execute(
        insert(Task)
        .values(
            order_id=order.id,
            placement_id=belief.placement_id,
            step_id=belief.step_id,
            kind=TaskKind.SETTLE.value,
            system=belief.system,
            key=belief.key,
            state=TaskState.CANCELLED.value,
            attempts=0,
            attempt_limit=0,
            claims=0,
            fencing=0,
            key_used_at=belief.used_at,
            created_at=db_now(),
        )
        .returning(Task.id)
    ).scalar_one()
    return session.get_one(Task, task_id)


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


REPAIRS: Mapping[Repair, Callable[[Session, Settled, Belief, Settings], int | None]] = {
    Repair.DO: _do,
    Repair.UNDO: _undo,
    Repair.UNDO_SURPLUS: _undo_surplus,
    Repair.CANCEL: _cancel,
}
