"""TX1 as one statement, for what is usual: a new order that its systems may be called for, on PostgreSQL.

It writes what `tx1` writes one after the other, with one round trip in place of eight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from sqlalchemy import CTE, Float, Table, bindparam, insert, literal, select, true

from orderapp.domain.states import PlacementState
from orderapp.models import Order, OrderDiscount, OrderLine, Placement, RateCounter, Step, Submission, db_now, table_of
from orderapp.services.access.attempt_counters import using_up_given
from orderapp.services.db.json_rows import as_json, rows_of
from orderapp.services.db.prepared_statements import ReadyStatement
from orderapp.services.placing.cart_locks import Cart, locking, locking_parameters

_ORDER_COLUMNS = ("id", "number", "client_id", "state", "placement_number", "customer_name", "customer_email",
                  "customer_phone", "member_ref", "coupon", "benefit", "currency", "subtotal_minor",
                  "total_minor")  # fmt: skip
_LINE_COLUMNS = ("position", "sku", "name", "quantity", "price_minor")
_DISCOUNT_COLUMNS = ("source", "code", "amount_minor")
_STEP_COLUMNS = ("system", "position", "key", "state")
_KEY_COLUMNS = ("scope", "key", "content_hash")


def write_at_once(
    order: Mapping[str, Any],
    submission: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    discounts: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    cart: Cart,
) -> Sequence[Any]:
    """Write a new order with its first placement, its submission under a lease, and the cart's lock.

    Transaction: one, of one statement.
    Idempotent because: the submission's key is unique; a second one of the same key fails as a whole.
    If we die here: all of it is there or nothing.

    Returns:
        A row per step, or one if there are no steps: placement_id, submission_id, step_id, system, key. None at all,
        and nothing written, where the cart's lock is another order's.

    Raises:
        sqlalchemy.exc.IntegrityError: the key, or the order's number, exists already.

    """
    parameters = {
        **{f"order_{name}": order[name] for name in _ORDER_COLUMNS},
        **{f"submission_{name}": submission[name] for name in (*_KEY_COLUMNS, "lease_seconds")},
        "lines": as_json(lines),
        "discounts": as_json(discounts),
        "steps": as_json(steps),
    }
    locks, counts = bool(cart.duplicate_window_seconds), bool(cart.allowances)
    if locks:
        parameters |= locking_parameters(order["id"], 1, cart)
    if counts:
        parameters["allowances"] = as_json(asdict(one) for one in cart.allowances)
    return _statement(locks_cart=locks, whatever_holds_it=cart.allow_duplicate, counts=counts).run(parameters)


@cache  # in its few forms: each order needs it
def _statement(*, locks_cart: bool, whatever_holds_it: bool, counts: bool) -> ReadyStatement:
    cart = locking("postgresql", whatever_holds_it=whatever_holds_it).cte("cart") if locks_cart else None
    order = _opened(cart)
    placement = _of_new_order(order)
    submission = _held_submission(order, placement)
    steps = _planned_steps(order, placement)
    statement = (
        select(
            placement.c.id.label("placement_id"),
            submission.c.id.label("submission_id"),
            steps.c.id.label("step_id"),
            steps.c.system,
            steps.c.key,
        )
        .join_from(placement, submission, true())
        .outerjoin(steps, true())
        .order_by(steps.c.position)
        .add_cte(
            _of_order(order, "lines", table_of(OrderLine), _LINE_COLUMNS),
            _of_order(order, "discounts", table_of(OrderDiscount), _DISCOUNT_COLUMNS),
        )
    )
    if counts:
        used_up = using_up_given(None if cart is None else select(cart).exists())
        statement = statement.add_cte(used_up.returning(table_of(RateCounter).c.bucket).cte("used_up"))
    return ReadyStatement(statement)


def _of_new_order(order: CTE) -> CTE:
    placements = table_of(Placement)
    row = select(order.c.id, literal(1), literal(PlacementState.PLACING.value), db_now())
    inserting = insert(placements).from_select(["order_id", "number", "state", "started_at"], row)
    return inserting.returning(placements.c.id).cte("placement")


def _held_submission(order: CTE, placement: CTE) -> CTE:
    submissions = table_of(Submission)
    lease_until = db_now(bindparam("submission_lease_seconds", type_=Float))
    ours = _given(submissions, "submission", _KEY_COLUMNS)
    row = select(order.c.id, placement.c.id, literal(1), lease_until, db_now(), *ours)
    names = ["order_id", "placement_id", "fencing", "lease_until", "created_at", *_KEY_COLUMNS]
    inserting = insert(submissions).from_select(names, row.join_from(order, placement, true()))
    return inserting.returning(submissions.c.id).cte("submission")


def _planned_steps(order: CTE, placement: CTE) -> CTE:
    steps = table_of(Step)
    given = rows_of("steps", steps, _STEP_COLUMNS)
    rows = select(order.c.id, placement.c.id, *given.c).join_from(order, placement, true()).join(given, true())
    inserting = insert(steps).from_select(["order_id", "placement_id", *_STEP_COLUMNS], rows)
    return inserting.returning(steps.c.id, steps.c.system, steps.c.key, steps.c.position).cte("planned")


def _opened(cart: CTE | None) -> CTE:
    """Return the order's row, written if the cart's lock was got."""
    orders = table_of(Order)
    row = select(*_given(orders, "order", _ORDER_COLUMNS), db_now(), db_now())
    if cart is not None:
        row = row.where(select(cart).exists())
    return (
        insert(orders)
        .from_select([*_ORDER_COLUMNS, "created_at", "updated_at"], row)
        .returning(orders.c.id)
        .cte("opened")
    )


def _of_order(order: CTE, parameter: str, table: Table, names: Sequence[str]) -> CTE:
    given = rows_of(parameter, table, names)
    rows = select(order.c.id, *given.c).join_from(order, given, true())
    return insert(table).from_select(["order_id", *names], rows).returning(table.c.order_id).cte(f"written_{parameter}")


def _given(table: Table, prefix: str, names: Sequence[str]) -> list[Any]:
    return [bindparam(f"{prefix}_{name}", type_=table.c[name].type) for name in names]
