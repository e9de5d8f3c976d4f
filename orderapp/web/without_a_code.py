"""Ordering a failed order again without one of its codes: whether to offer it, and which order it led to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orderapp.config import current_settings
from orderapp.domain.inputs import Code, Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import LineRequest, OrderRequest
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.services.orders.shop_views import submitted_under
from orderapp.services.orders.views import OrderView
from orderapp.services.placing.pricing import systems_with_discounts
from orderapp.systems.base import System
from orderapp.web.order_reference import reference_of, retry_keys


@dataclass(frozen=True, slots=True)
class Without:
    """The order once more without one of its codes: as a new order, since earlier placements used the code."""

    code: Code  # which code is left out
    total: Money  # what it would cost, as far as the discounts are known
    is_known: bool  # whether they are


def without_a_code(order: OrderView, code: Code) -> Without:
    """Return the order without one of its codes."""
    others = {system.name for system in discounting(leaving_out(code, request_of(order)))}
    left = [one for one in order.discounts if one.source in others]
    total = replace(order.subtotal, minor=order.subtotal.minor - sum(one.amount.minor for one in left))
    return Without(code, total, len(left) == len(others))


def refused_code(order: OrderView) -> Code | None:
    """Return the code that made the order fail: an unchanged retry would be refused again."""
    stopped = order.stopped
    if order.state is not OrderState.FAILED or stopped is None or stopped.outcome is not Outcome.REFUSED:
        return None
    system = current_settings().systems.get(stopped.system)
    asked = request_of(order)
    if system is None or not system.concerns(asked):
        return None
    # The code that is the only reason for the system's step.
    return next((code for code in codes_of(order) if not system.concerns(leaving_out(code, asked))), None)


def codes_of(order: OrderView) -> list[Code]:
    """Return the codes that the order came with and this process knows, without those that others need."""
    declared = current_settings().systems.inputs
    needed = {declared[name].needs for name in order.inputs if name in declared}
    return [declared[name] for name in order.inputs if name in declared and name not in needed]


def discounting(asked: OrderRequest) -> list[System]:
    """Return the systems that may give a discount on what is asked for."""
    return systems_with_discounts(asked, current_settings().systems)


def successor(order: OrderView) -> str | None:
    """Return the page name of the order that replaced this one, without a code."""
    if order.state is not OrderState.FAILED:
        return None
    found = submitted_under(retry_keys(order.number, order.placements)).values()
    return next((reference_of(other.number) for other in found if other.order_id != order.id), None)


def request_of(order: OrderView) -> OrderRequest:
    """Return an order's original request."""
    lines = tuple(LineRequest(line.sku, line.quantity) for line in order.lines)
    return OrderRequest(order.customer, lines, order.inputs, language=order.language)


def leaving_out(code: Code, asked: OrderRequest) -> OrderRequest:
    """Return the request without one of its codes."""
    return replace(asked, inputs=Inputs({name: text for name, text in asked.inputs.items() if name != code.name}))
