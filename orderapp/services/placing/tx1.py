"""TX1: writes an order, or a further placement of one, with its submission, lease and intents, before any call."""

from __future__ import annotations

import time
import uuid
from typing import Any

from sqlalchemy import Float, bindparam, delete, insert, update
from sqlalchemy.orm import Session

from orderapp.domain.identity import new_id
from orderapp.domain.keys import new_order_number
from orderapp.domain.orders import OrderDocument
from orderapp.domain.states import OrderState, PlacementState
from orderapp.errors import WrongState
from orderapp.models import Order, OrderDiscount, OrderLine, Placement, Step, Submission, db_now, table_of
from orderapp.services.access.attempt_counters import use_up
from orderapp.services.db.transactions import statements_nest, writing
from orderapp.services.db.transitions import move
from orderapp.services.placing.cart_locks import Cart, lock_cart, refuse_locked
from orderapp.services.placing.order_limits import constrained
from orderapp.services.placing.tx1_rows import (
    Opening,
    again_document,
    discount_rows,
    line_rows,
    order_row,
    ordered_document,
    step_rows,
    submission_row,
)
from orderapp.services.placing.tx1_statement import write_at_once
from orderapp.services.saga.attempts import record_steps
from orderapp.services.saga.circuit_feedback import learn_from_steps
from orderapp.services.saga.values import Held, PlannedStep, StepResult

# Built once, on the tables and not the classes: SQLAlchemy then neither builds nor analyses them for each order.
_INSERT_ORDER = insert(table_of(Order)).values(created_at=db_now(), updated_at=db_now())
_INSERT_LINES = insert(table_of(OrderLine))
_INSERT_DISCOUNTS = insert(table_of(OrderDiscount))
_INSERT_PLACEMENT = insert(table_of(Placement)).values(started_at=db_now()).returning(table_of(Placement).c.id)
_INSERT_DECIDED_PLACEMENT = _INSERT_PLACEMENT.values(decided_at=db_now())
_INSERT_SUBMISSION = insert(table_of(Submission)).values(created_at=db_now()).returning(table_of(Submission).c.id)
_INSERT_HELD_SUBMISSION = _INSERT_SUBMISSION.values(lease_until=db_now(bindparam("lease_seconds", type_=Float)))
_STEPS = table_of(Step).c
_INSERT_STEPS = insert(table_of(Step)).returning(_STEPS.id, _STEPS.system, _STEPS.key, sort_by_parameter_order=True)


def open_order(opening: Opening, cart: Cart) -> Held:
    """Record a new order with its first placement.

    Transaction: one (TX1), committed here.
    Idempotent because: the submission's key is unique; a second one of the same key fails as a whole.
    If we die here: before the commit nothing exists; after it the lease runs out and the timer takes over.

    Raises:
        ProbableDuplicate: the same customer's identical cart was ordered inside the window; nothing is recorded.
        TooManyOrders: others at the same moment have used an allowance up; nothing is recorded.
        sqlalchemy.exc.IntegrityError: the key (or, once in 10^8, the order number) exists already.

    """
    order_id, number, started = new_id(), new_order_number(), time.monotonic()
    order = order_row(order_id, number, opening, cart)
    document = ordered_document(number, cart, opening)
    stopped = opening.offered.stopped
    if statements_nest() and not stopped:
        with constrained(cart.allowances):
            held = _open_at_once(order, document, opening, cart, started)
        if held is not None:
            return held
    with constrained(cart.allowances), writing() as session:
        use_up(session, cart.allowances)
        session.execute(_INSERT_ORDER, order)
        session.execute(_INSERT_LINES, [{"order_id": order_id, **row} for row in line_rows(opening)])
        _insert_discounts(session, order_id, opening)
        held = _insert_placement(session, order_id, 1, document, opening, started)
        _lock_cart(session, order_id, 1, opening, cart)
    return held


def _open_at_once(
    order: dict[str, Any], document: OrderDocument, opening: Opening, cart: Cart, started: float
) -> Held | None:
    """Record the same in one statement; None, and nothing recorded, where the cart's lock is another order's."""
    steps = step_rows(1, document, opening)
    submission = {**submission_row(opening), "lease_seconds": opening.lease_seconds}
    written = write_at_once(order, submission, line_rows(opening), discount_rows(opening), steps, cart)
    if not written:
        return None
    return Held(
        order_id=order["id"],
        placement_id=written[0].placement_id,
        placement_number=1,
        submission_id=written[0].submission_id,
        fencing=1,
        document=document,
        steps=tuple(PlannedStep(row.step_id, row.system, row.key) for row in written if row.step_id is not None),
        lease_ends_at=started + opening.lease_seconds,
        admission=opening.admission,
    )


def open_retry(
    opening: Opening, order_id: uuid.UUID, placement_number: int, document: OrderDocument, cart: Cart
) -> Held:
    """Record a further placement of a failed order, which takes the cart's lock anew and counts like an order.

    Transaction: one (TX1), committed here.
    Idempotent because: the order is moved by compare-and-set on its state and placement number.
    If we die here: as for `open_order`.

    Args:
        placement_number: The one before; the new one is one more.
        document: The order as it was; its total is replaced by today's.

    Raises:
        WrongState: the order isn't failed any more, or somebody else tries it again already; nothing is recorded.
        TooManyOrders: others at the same moment have used an allowance up; nothing is recorded.
        ProbableDuplicate: the same customer's identical cart was ordered inside the window; nothing is recorded.
        sqlalchemy.exc.IntegrityError: the key exists already.

    """
    started, number = time.monotonic(), placement_number + 1
    unchanged = (Order.id == order_id, Order.placement_number == placement_number)
    values: dict[str, Any] = {
        "placement_number": number,
        "ends_as": None,
        "total_minor": opening.total.minor,
        "member_ref": cart.customer.member_ref,
        "coupon": cart.coupon,
        "benefit": cart.benefit,
        "updated_at": db_now(),
    }
    with constrained(cart.allowances), writing() as session:
        use_up(session, cart.allowances)
        if opening.offered.stopped:
            still_failed = Order.state == OrderState.FAILED.value
            moved = (
                session.connection().execute(update(Order).where(*unchanged, still_failed).values(**values)).rowcount
            )
        else:
            moved = move(session, Order, OrderState.PLACING, *unchanged, **values)
        if not moved:
            raise WrongState("The order is not in a state in which it can be tried again; nothing was done.")
        session.execute(delete(OrderDiscount).where(OrderDiscount.order_id == order_id))
        _insert_discounts(session, order_id, opening)
        again = again_document(document, opening)
        held = _insert_placement(session, order_id, number, again, opening, started)
        _lock_cart(session, order_id, number, opening, cart)
    return held


def _lock_cart(session: Session, order_id: uuid.UUID, placement_number: int, opening: Opening, cart: Cart) -> None:
    if cart.duplicate_window_seconds and not opening.offered.stopped:
        lock_cart(session, order_id, placement_number, cart)
    elif cart.duplicate_window_seconds and not cart.allow_duplicate:
        refuse_locked(session, order_id, cart)


def _insert_discounts(session: Session, order_id: uuid.UUID, opening: Opening) -> None:
    rows = [{"order_id": order_id, **row} for row in discount_rows(opening)]
    if rows:
        session.execute(_INSERT_DISCOUNTS, rows)


def _insert_placement(
    session: Session, order_id: uuid.UUID, number: int, document: OrderDocument, opening: Opening, started: float
) -> Held:
    stopped = opening.offered.stopped
    placement_id = session.execute(
        _INSERT_DECIDED_PLACEMENT if stopped else _INSERT_PLACEMENT,
        {
            "order_id": order_id,
            "number": number,
            "state": (PlacementState.COMPENSATED if stopped else PlacementState.PLACING).value,
            "failed_system": stopped.system if stopped else None,
            "failed_outcome": stopped.outcome.value if stopped else None,
            "failed_code": stopped.code if stopped else None,
        },
    ).scalar_one()
    submission_id = session.execute(
        _INSERT_SUBMISSION if stopped else _INSERT_HELD_SUBMISSION,
        {
            **submission_row(opening),
            "order_id": order_id,
            "placement_id": placement_id,
            **({} if stopped else {"lease_seconds": opening.lease_seconds}),
        },
    ).scalar_one()
    return Held(
        order_id=order_id,
        placement_id=placement_id,
        placement_number=number,
        submission_id=submission_id,
        fencing=1,
        document=document,
        steps=_insert_steps(session, order_id, placement_id, number, document, opening),
        lease_ends_at=started + opening.lease_seconds,
        admission=opening.admission,
    )


def _insert_steps(
    session: Session, order_id: uuid.UUID, placement_id: int, number: int, document: OrderDocument, opening: Opening
) -> tuple[PlannedStep, ...]:
    stopped, tried = opening.offered.stopped, opening.offered.tried
    of_placement = {"placement_id": placement_id, "order_id": order_id}
    rows = [{**of_placement, **row} for row in step_rows(number, document, opening)]
    if not rows:  # a shop without blocking systems
        return ()
    steps = tuple(PlannedStep(*row) for row in session.execute(_INSERT_STEPS, rows))
    if stopped and tried:
        at_fault = next(step for step in steps if step.system == stopped.system)
        results = [StepResult(at_fault, resumed=False, tries=[tried])]
        record_steps(session, order_id, results)
        learn_from_steps(session, results, opening.admission, {system.name: system for system in opening.systems})
    return steps
