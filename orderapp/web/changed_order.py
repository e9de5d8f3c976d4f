"""Ordering a failed order again with one thing changed: what to offer, and which order it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from orderapp.config import current_settings
from orderapp.domain.inputs import Code, Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import LineRequest, OrderRequest
from orderapp.domain.outcome import Outcome, Shortage
from orderapp.domain.states import OrderState
from orderapp.services.orders.shop_views import submitted_under
from orderapp.services.orders.views import OrderView
from orderapp.services.placing.pricing import systems_with_discounts
from orderapp.systems.base import System
from orderapp.web.formats import amount_text
from orderapp.web.language import declared, gettext
from orderapp.web.order_reference import reference_of, retry_keys


@dataclass(frozen=True, slots=True)
class Change:
    """The one thing to change: the code to leave out, or the product to order only as much of as there is."""

    code: Code | None = None
    only: Shortage | None = None  # 0 available: the product is left out

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What the form's hidden fields say of it."""
        if self.code:
            return [("without", self.code.name)]
        return [("only", str(self.only.available))] if self.only else []


@dataclass(frozen=True, slots=True)
class Offer:
    """The order once more with one thing changed: as a new order, since earlier placements used what they came with."""

    change: Change
    button: str  # what the button does, with the total
    agreed: Money | None  # what it would cost; None if discounts aren't known, so that it may cost less


def offers_of(order: OrderView) -> list[Offer]:
    """Return the changes with which a failed order could be placed, the smallest first; none if nobody knows."""
    if order.is_erased:
        return []
    code = refused_code(order)
    if code:
        return [without_a_code(order, code)]
    short = shortage_of(order)
    if short is None:
        return []
    others = any(line.sku != short.sku for line in order.lines)
    quantities = [number for number in (short.available, 0) if number or others]
    return [_less_of(order, replace(short, available=number)) for number in dict.fromkeys(quantities)]


def without_a_code(order: OrderView, code: Code) -> Offer:
    """Return the offer of the order without one of its codes."""
    others = {system.name for system in discounting(leaving_out(code, request_of(order)))}
    left = [one for one in order.discounts if one.source in others]
    total = replace(order.subtotal, minor=order.subtotal.minor - sum(one.amount.minor for one in left))
    is_known = len(left) == len(others)
    button = gettext("Order without the %(code)s, %(total)s", code=declared(code.called), total=_told(total, is_known))
    return Offer(Change(code=code), button, total if is_known else None)


def _less_of(order: OrderView, only: Shortage) -> Offer:
    asked = changed(order, Change(only=only))
    prices = {line.sku: line.price for line in order.lines}
    minor = sum(prices[line.sku].times(line.quantity).minor for line in asked.lines)
    # A percentage of less is less: which, only the systems know.
    total, is_known = replace(order.subtotal, minor=minor), not discounting(asked)
    told = _told(total, is_known)
    if only.available:
        button = gettext("Order %(quantity)s, %(total)s", quantity=only.available, total=told)
    else:
        button = gettext("Leave it out, %(total)s", total=told)
    return Offer(Change(only=only), button, total if is_known else None)


def _told(total: Money, is_known: bool) -> str:
    return amount_text(total) if is_known else gettext("at most %(total)s", total=amount_text(total))


def shortage_of(order: OrderView) -> Shortage | None:
    """Return of which product a failed order wanted more than there is."""
    return order.stopped.shortage if order.state is OrderState.FAILED and order.stopped else None


def change_named_in(form: Mapping[str, str], order: OrderView) -> Change | None:
    """Return the change that a page's form asks for; None if it asks for none that the order has."""
    code = next((code for code in codes_of(order) if code.name == form.get("without")), None)
    if code:
        return Change(code=code)
    short, only = shortage_of(order), form.get("only")
    if short is None or only not in ("0", str(short.available)):
        return None
    return Change(only=replace(short, available=int(only)))


def changed(order: OrderView, change: Change) -> OrderRequest:
    """Return the order's original request with the change made."""
    asked = request_of(order)
    if change.code:
        return leaving_out(change.code, asked)
    only = change.only
    lines = (replace(line, quantity=only.available) if only and line.sku == only.sku else line for line in asked.lines)
    return replace(asked, lines=tuple(line for line in lines if line.quantity))


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
