"""Ordering a failed order again without one of its codes: whether to offer it, and which order it led to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orderapp.config import current_settings
from orderapp.domain.money import Money
from orderapp.domain.orders import LineRequest, OrderRequest
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.services.orders.shop_views import submitted_under
from orderapp.services.orders.views import OrderView
from orderapp.web.order_reference import reference_of, retry_keys

CODE_FIELDS = ("coupon", "benefit")


@dataclass(frozen=True, slots=True)
class Without:
    """The order once more without one of its codes: as a new order, since earlier placements used the code."""

    code_field: str  # which code is left out
    total: Money  # what it would cost, as far as the discounts are known
    is_known: bool  # whether they are


def without_a_code(order: OrderView, code_field: str) -> Without:
    """Return the order without one of its codes."""
    left = [one for one in order.discounts if one.code != getattr(order, code_field)]
    total = replace(order.subtotal, minor=order.subtotal.minor - sum(one.amount.minor for one in left))
    others = [name for name in CODE_FIELDS if name != code_field and getattr(order, name)]
    return Without(code_field, total, len(left) == len(others))


def refused_code(order: OrderView) -> str | None:
    """Return the field of the code that made the order fail: an unchanged retry would be refused again."""
    stopped = order.stopped
    if order.state is not OrderState.FAILED or stopped is None or stopped.outcome is not Outcome.REFUSED:
        return None
    system = current_settings().systems.get(stopped.system)
    asked = request_of(order)
    if system is None or not system.concerns(asked):
        return None
    # The codes that are the only reason for the system's step.
    return next((name for name in CODE_FIELDS if not system.concerns(leaving_out(name, asked))), None)


def successor(order: OrderView) -> str | None:
    """Return the page name of the order that replaced this one, without a code."""
    if order.state is not OrderState.FAILED:
        return None
    found = submitted_under(retry_keys(order.number, order.placements)).values()
    return next((reference_of(other.number) for other in found if other.order_id != order.id), None)


def request_of(order: OrderView) -> OrderRequest:
    """Return an order's original request."""
    lines = tuple(LineRequest(line.sku, line.quantity) for line in order.lines)
    return OrderRequest(order.customer, lines, order.coupon, order.benefit)


def leaving_out(code_field: str, asked: OrderRequest) -> OrderRequest:
    """Return the request without one of its codes."""
    return replace(asked, coupon="") if code_field == "coupon" else replace(asked, benefit="")
