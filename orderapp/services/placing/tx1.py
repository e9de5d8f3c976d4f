"""TX1: writes an order or a retry with its placement, submission, lease and planned steps, before any call."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from orderapp.domain.events import EventType
from orderapp.domain.identity import new_id
from orderapp.domain.keys import new_order_number
from orderapp.domain.orders import OrderDocument
from orderapp.errors import InProgress, WrongState
from orderapp.services.db.json_rows import as_json
from orderapp.services.db.transactions import writing
from orderapp.services.db.write_plan import Rows, WritePlan
from orderapp.services.placing.cart_locks import lock_cart, locking_parameters, refuse_holder, refuse_locked
from orderapp.services.placing.opening import Opening
from orderapp.services.placing.order_limits import constrained
from orderapp.services.placing.tx1_plan import new_order_plan, retry_plan
from orderapp.services.placing.tx1_rows import (
    again_document,
    allowance_row,
    discount_rows,
    line_rows,
    order_row,
    ordered_document,
    placement_row,
    retry_row,
    step_rows,
    submission_row,
)
from orderapp.services.saga.attempts import record_steps
from orderapp.services.saga.circuit_feedback import learn_from_steps
from orderapp.services.saga.events import events_parameter
from orderapp.services.saga.news import REPLACED, withdraw_failure
from orderapp.services.saga.values import Held, PlannedStep, StepResult

# How often the lock of a cart is tried: each further try means that a holder has ended within these milliseconds.
LOCK_TRIES = 10
LOCK_RETRY_SECONDS = 1


def open_order(opening: Opening) -> Held:
    """Record a new order with its first placement.

    Transaction: one (TX1), committed here.
    Idempotent because: the submission's key is unique; a second transaction with the same key fails as a whole.
    If we die here: before the commit nothing exists; after it the lease runs out and the timer takes over.

    Raises:
        ProbableDuplicate: the same customer's identical cart was ordered inside the window; nothing is recorded.
        TooManyOrders: an allowance is used up; nothing is recorded.
        InProgress: identical carts take and release the lock so fast that we never held it; nothing is recorded.
        sqlalchemy.exc.IntegrityError: the key (or, once in 10^8, the order number) already exists.
    """
    order_id, started = new_id(), time.monotonic()
    document = ordered_document(new_order_number(), opening)
    stopped = opening.offered.stopped is not None
    locks_cart = bool(opening.duplicate_window_seconds) and not stopped
    plan = new_order_plan(
        stopped=stopped,
        locks_cart=locks_cart,
        whatever_holds_it=opening.request.allow_duplicate,
        counts=bool(opening.submitted.allowances),
    )
    parameters = {
        **_named("order", order_row(order_id, document.number, opening)),
        **_placement_parameters(1, document, opening),
        **(locking_parameters(order_id, 1, opening) if locks_cart else {}),
        "lines": as_json(line_rows(opening)),
    }
    with constrained(opening.submitted.allowances):
        if stopped:
            with writing() as session:
                held = _held(order_id, 1, document, opening, started, plan.run_within(session, parameters))
                _withdraw_replaced(session, opening.submitted.replaces)
                _record_stop(session, held, opening)
            return held
        for _ in range(LOCK_TRIES):
            if (written := _written(plan, parameters, opening.submitted.replaces)) is not None:
                return _held(order_id, 1, document, opening, started, written)
            # Returns if the lock was released just now: then we try again to take it.
            refuse_holder(opening)
    raise InProgress(LOCK_RETRY_SECONDS)


def open_retry(opening: Opening, order_id: uuid.UUID, placement_number: int, document: OrderDocument) -> Held:
    """Record a new placement of a failed order; it takes the cart's lock again and counts like an order.

    Transaction: one (TX1), committed here.
    Idempotent because: the order is moved by compare-and-set on its state and placement number.
    If we die here: as for `open_order`.

    Args:
        placement_number: The number of the previous placement; the new one gets the next number.
        document: The order as it was; the new document gets today's total.

    Raises:
        WrongState: the order isn't failed any more, or another process retries it already; nothing is recorded.
        TooManyOrders: an allowance is used up; nothing is recorded.
        ProbableDuplicate: the same customer's identical cart was ordered inside the window; nothing is recorded.
        sqlalchemy.exc.IntegrityError: the key already exists.
    """
    started, number = time.monotonic(), placement_number + 1
    again = again_document(document, opening)
    stopped = opening.offered.stopped is not None
    parameters = {
        **_named("order", retry_row(order_id, number, opening)),
        **_placement_parameters(number, again, opening),
    }
    plan = retry_plan(stopped=stopped, counts=bool(opening.submitted.allowances))
    with constrained(opening.submitted.allowances), writing() as session:
        written = plan.run_within(session, parameters)
        if written is None:
            raise WrongState("The order is not in a state in which it can be tried again; nothing was done.")
        held = _held(order_id, number, again, opening, started, written)
        # Also where it stops at once: the customer learns that from the answer, and the earlier reason is past.
        withdraw_failure(session, order_id, "the order was tried again")
        if stopped:
            _record_stop(session, held, opening)
        elif opening.duplicate_window_seconds:
            lock_cart(session, order_id, number, opening)
    return held


def _written(plan: WritePlan, parameters: Mapping[str, Any], replaced: uuid.UUID | None) -> Rows | None:
    if replaced is None:
        return plan.run(parameters)  # a single statement, on PostgreSQL
    with writing() as session:
        written = plan.run_within(session, parameters)
        if written is not None:
            _withdraw_replaced(session, replaced)
        return written


def _withdraw_replaced(session: Session, replaced: uuid.UUID | None) -> None:
    if replaced is not None:
        withdraw_failure(session, replaced, "another order was placed instead", REPLACED)


def _placement_parameters(number: int, document: OrderDocument, opening: Opening) -> dict[str, Any]:
    return {
        **_named("placement", placement_row(number, opening)),
        **_named("submission", submission_row(opening)),
        "lease_seconds": opening.lease_seconds,
        "allowances": as_json(allowance_row(one) for one in opening.submitted.allowances),
        "discounts": as_json(discount_rows(opening)),
        "steps": as_json(step_rows(number, document, opening)),
        "events": events_parameter([EventType.FAILED if opening.offered.stopped else EventType.PLACED]),
    }


def _named(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{table}_{name}": value for name, value in row.items()}


def _held(
    order_id: uuid.UUID, number: int, document: OrderDocument, opening: Opening, started: float, written: Rows | None
) -> Held:
    if written is None:
        raise LookupError(f"nothing of order {document.number} was written")
    steps = sorted(written["steps"], key=lambda row: row.position)
    return Held(
        order_id=order_id,
        placement_id=written["placement"][0].id,
        placement_number=number,
        submission_id=written["submission"][0].id,
        fencing=1,
        document=document,
        steps=tuple(PlannedStep(row.id, row.system, row.key) for row in steps),
        lease_ends_at=started + opening.lease_seconds,
        admission=opening.admission,
    )


def _record_stop(session: Session, held: Held, opening: Opening) -> None:
    """Record the answer of the system that refused a discount, unless another order holds the cart's lock."""
    stopped, tried = opening.offered.stopped, opening.offered.tried
    if stopped and tried and held.steps:
        at_fault = next(step for step in held.steps if step.system == stopped.system)
        results = [StepResult(at_fault, resumed=False, tries=[tried])]
        record_steps(session, held.order_id, results)
        learn_from_steps(session, results, opening.admission, {system.name: system for system in opening.systems})
    if opening.duplicate_window_seconds and not opening.request.allow_duplicate:
        refuse_locked(session, held.order_id, opening)
