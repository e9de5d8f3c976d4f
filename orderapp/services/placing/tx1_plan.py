"""The writes of TX1, in their order: an order or a retry, with its placement, submission and steps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Float, FromClause, Insert, Table, bindparam, delete, insert, null, select, true, update
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from orderapp.domain.states import OrderState
from orderapp.models import Order, OrderDiscount, OrderLine, Placement, Step, Submission, db_now, table_of
from orderapp.services.access.attempt_counters import using_up
from orderapp.services.db.json_rows import columns_of, rows_of
from orderapp.services.db.transitions import moving
from orderapp.services.db.write_plan import Before, Write, WritePlan
from orderapp.services.placing.cart_locks import locking
from orderapp.services.saga import events

_ORDERS, _DISCOUNTS, _PLACEMENTS = table_of(Order), table_of(OrderDiscount), table_of(Placement)
_SUBMISSIONS, _STEPS = table_of(Submission), table_of(Step)
_ORDER_COLUMNS = ("id", "number", "client_id", "state", "placement_number", "customer_name", "customer_email",
                  "customer_phone", "inputs", "language", "currency", "subtotal_minor", "total_minor",
                  "tax_percent", "event_number")  # fmt: skip
_RETRY_COLUMNS = ("placement_number", "inputs", "total_minor")
_PLACEMENT_COLUMNS = ("number", "state", "failed_system", "failed_outcome", "failed_code")
_SUBMISSION_COLUMNS = ("scope", "key", "content_hash", "fencing")
_STEP_COLUMNS = ("system", "position", "key", "state", "outcome", "code")


@cache
def new_order_plan(*, stopped: bool, locks_cart: bool, whatever_holds_it: bool, counts: bool) -> WritePlan:
    """Return the writes of a new order; they write nothing if another order holds the cart's lock.

    Parameters: `order_…`, `placement_…`, `submission_…` (columns), `lines`, `discounts`, `steps`, `events` (lists),
    and, where needed, `locking_parameters`, `lease_seconds`, `allowances`.

    Args:
        stopped: Whether the order fails immediately, because a discount could not be had; then nobody holds it.
        locks_cart: Whether the order takes the cart's lock.
        whatever_holds_it: Whether the order takes the lock even if another order holds it.
        counts: Whether the order uses up allowances.
    """
    cart = Write("cart", lambda before: locking(before.dialect_name, whatever_holds_it=whatever_holds_it))
    return WritePlan(
        *([cart] if locks_cart else []),
        Write("order", _new_order),
        *_counting(counts),
        Write("lines", _lines, one=False),
        *_placement(stopped=stopped),
        returns=("placement", "submission", "steps"),
    )


@cache
def retry_plan(*, stopped: bool, counts: bool) -> WritePlan:
    """Return the writes of a retry; they write nothing if the order isn't failed any more.

    Parameters: as for a new order, except that the `order_…` ones are those of `retry_row`.
    """
    return WritePlan(
        Write("order", _stays_failed if stopped else _placing_again),
        *_counting(counts),
        Write("gone_discounts", _gone_discounts, one=False),
        *_placement(stopped=stopped),
        returns=("placement", "submission", "steps"),
    )


def _counting(counts: bool) -> Sequence[Write]:
    return [Write("counters", using_up, one=False)] if counts else []


def _placement(*, stopped: bool) -> Sequence[Write]:
    return (
        Write("discounts", _discounts, one=False),
        Write("placement", _decided_placement if stopped else _open_placement),
        Write("submission", _ended_submission if stopped else _held_submission),
        Write("events", events.recording, one=False, only_if="order.is_heard"),
        Write("steps", _steps, one=False),
    )


def _new_order(before: Before) -> ReturningInsert[Any]:
    values = {**_given("order", _ORDERS, _ORDER_COLUMNS), "created_at": db_now(), "updated_at": db_now()}
    sources = [before["cart"]] if "cart" in before else []
    return _insert(_ORDERS, values, *sources).returning(*events.facts())


def _placing_again(_: Before) -> ReturningUpdate[Any]:
    return moving(Order, OrderState.PLACING).where(*_unchanged()).values(**_retried()).returning(*events.facts())


def _stays_failed(_: Before) -> ReturningUpdate[Any]:
    still_failed = _ORDERS.c.state == OrderState.FAILED.value
    return update(_ORDERS).where(*_unchanged(), still_failed).values(**_retried()).returning(*events.facts())


def _unchanged() -> tuple[Any, ...]:
    number_before = bindparam("order_placement_number", type_=_ORDERS.c.placement_number.type) - 1
    known = _ORDERS.c.customer_email != ""  # a customer who was erased isn't ordered for again
    is_the_one = _ORDERS.c.id == bindparam("order_id", type_=_ORDERS.c.id.type)
    return is_the_one, _ORDERS.c.placement_number == number_before, known


def _retried() -> dict[str, Any]:
    return {
        **_given("order", _ORDERS, _RETRY_COLUMNS),
        "ends_as": None,
        "updated_at": db_now(),
        "event_number": _ORDERS.c.event_number + 1,
    }


def _gone_discounts(before: Before) -> Any:
    order_id = select(before["order"].c.id).scalar_subquery()
    return delete(_DISCOUNTS).where(_DISCOUNTS.c.order_id == order_id).returning(_DISCOUNTS.c.source)


def _lines(before: Before) -> ReturningInsert[Any]:
    return _insert_list(before, "lines", table_of(OrderLine), ("position", "sku", "name", "quantity", "price_minor"))


def _discounts(before: Before) -> ReturningInsert[Any]:
    return _insert_list(before, "discounts", _DISCOUNTS, ("source", "code", "amount_minor", "is_payment"))


def _open_placement(before: Before) -> ReturningInsert[Any]:
    values = {"order_id": before["order"].c.id, **_given("placement", _PLACEMENTS, _PLACEMENT_COLUMNS)}
    return _insert(_PLACEMENTS, {**values, "started_at": db_now()}, before["order"]).returning(_PLACEMENTS.c.id)


def _decided_placement(before: Before) -> ReturningInsert[Any]:
    values = {"order_id": before["order"].c.id, **_given("placement", _PLACEMENTS, _PLACEMENT_COLUMNS)}
    values |= {"started_at": db_now(), "decided_at": db_now()}
    return _insert(_PLACEMENTS, values, before["order"]).returning(_PLACEMENTS.c.id)


def _held_submission(before: Before) -> ReturningInsert[Any]:
    return _submission(before, db_now(bindparam("lease_seconds", type_=Float)))


def _ended_submission(before: Before) -> ReturningInsert[Any]:
    return _submission(before, null())


def _submission(before: Before, lease_until: Any) -> ReturningInsert[Any]:
    values = {
        "order_id": before["order"].c.id,
        "placement_id": before["placement"].c.id,
        "lease_until": lease_until,
        "created_at": db_now(),
        **_given("submission", _SUBMISSIONS, _SUBMISSION_COLUMNS),
    }
    return _insert(_SUBMISSIONS, values, before["order"], before["placement"]).returning(_SUBMISSIONS.c.id)


def _steps(before: Before) -> ReturningInsert[Any]:
    returned = (_STEPS.c.id, _STEPS.c.system, _STEPS.c.key, _STEPS.c.position)
    of_placement = {"placement_id": before["placement"].c.id}
    return _insert_list(before, "steps", _STEPS, _STEP_COLUMNS, before["placement"], **of_placement, returning=returned)


def _insert_list(
    before: Before,
    parameter: str,
    table: Table,
    names: Sequence[str],
    *sources: FromClause,
    returning: Sequence[Any] = (),
    **values: Any,
) -> ReturningInsert[Any]:
    """Insert the order's rows from a list."""
    given = rows_of(before.dialect_name, parameter, columns_of(table, names))
    row = {"order_id": before["order"].c.id, **values, **{name: given.c[name] for name in names}}
    return _insert(table, row, before["order"], *sources, given).returning(*(returning or [table.c.order_id]))


def _insert(table: Table, values: dict[str, Any], *sources: FromClause) -> Insert:
    """Insert the values, selected from the cross join of the sources."""
    row = select(*values.values())
    for first, source in enumerate(sources):
        row = row.join(source, true()) if first else row.select_from(source)
    return insert(table).from_select(list(values), row, include_defaults=False)


def _given(prefix: str, table: Table, names: Sequence[str]) -> dict[str, Any]:
    return {name: bindparam(f"{prefix}_{name}", type_=table.c[name].type) for name in names}
