"""What an order costs: prices from our catalogue, discounts by the systems' word, asked before anything is reserved."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from orderapp.domain import discounts
from orderapp.domain.money import MAX_MINOR, Money
from orderapp.domain.orders import Discount, Line, OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote
from orderapp.errors import InvalidRequest
from orderapp.models import Product, table_of
from orderapp.services.admission import Admission
from orderapp.services.database import reading
from orderapp.services.placement import Stopped, Try
from orderapp.services.standing import Standing, read_standing
from orderapp.systems.base import Part, System
from orderapp.systems.registry import Systems

# What customers read when a code can't be used; the same for a code that doesn't exist and one of somebody else's.
NOT_USABLE = "This can't be used: please check how it is written."

# Built once, on the table: each order asks it.
_PRODUCTS = table_of(Product).c
_PRICES = select(_PRODUCTS.sku, _PRODUCTS.name, _PRODUCTS.price_minor, _PRODUCTS.currency).where(
    _PRODUCTS.sku.in_(bindparam("wanted", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Priced:
    """Lines at today's prices."""

    lines: tuple[Line, ...]
    subtotal: Money
    standing: Standing


@dataclass(frozen=True, slots=True)
class Offered:
    """The discounts, or what stood in the way of them: then nothing may be reserved."""

    discounts: tuple[Discount, ...] = ()
    stopped: Stopped | None = None
    tried: Try | None = None


def price(request: OrderRequest) -> Priced:
    """Price a request's lines from the catalogue.

    Raises:
        InvalidRequest: a product that isn't sold, or lines in two currencies.

    """
    wanted = [line.sku for line in request.lines]
    with reading() as session:
        found = {row.sku: row for row in session.execute(_PRICES, {"wanted": wanted})}
        standing = read_standing(session)
    errors: dict[str, list[str]] = {}
    for number, line in enumerate(request.lines):
        if line.sku not in found:
            errors[f"lines.{number}.sku"] = ["This product isn't sold here."]
    if errors:
        raise InvalidRequest(errors)
    currencies = {found[sku].currency for sku in wanted}
    if len(currencies) > 1:
        raise InvalidRequest({"lines": [f"Products in {' and '.join(sorted(currencies))} can't be ordered together."]})
    lines = tuple(
        Line(
            line.sku, found[line.sku].name, line.quantity, Money(found[line.sku].price_minor, found[line.sku].currency)
        )
        for line in request.lines
    )
    subtotal = Money(sum(line.total.minor for line in lines), currencies.pop())
    if subtotal.minor > MAX_MINOR:
        raise InvalidRequest({"lines": ["An order of this size can't be placed here; please talk to us."]})
    return Priced(lines, subtotal, standing)


def ask_for_discounts(request: OrderRequest, subtotal: Money, systems: Systems, admission: Admission) -> Offered:
    """Ask each system that gives discounts what this order would get. Changes nothing anywhere.

    Asks nobody where one system may not be called at present: the order could only be turned round.

    Raises:
        InvalidRequest: a code that the system doesn't know; nothing is recorded.

    """
    for name, answer in admission.refusals.items():
        now = time.monotonic()
        return Offered(stopped=Stopped(name, answer.outcome, answer.code), tried=Try("act", answer, now, now))
    offers: list[tuple[str, str, str, int]] = []
    for system in systems.values():
        if system.part is not Part.BLOCKING or not system.can("quote") or not system.concerns(request):
            continue
        if not system.configured:
            raise InvalidRequest({"": [f"{system.title} can't be used here."]})
        started = time.monotonic()
        quote = admission.of(system).quote(request)
        if quote is None:
            continue
        if quote.field:
            raise InvalidRequest({quote.field: [NOT_USABLE]})
        stopped = _obstacle(system, quote, subtotal)
        if stopped:
            return Offered(
                stopped=stopped, tried=Try("quote", _as_answer(stopped, quote.answer), started, time.monotonic())
            )
        offers.append((system.name, quote.code, quote.kind, quote.value))
    return Offered(discounts.apply(subtotal, offers))


def _obstacle(system: System, quote: Quote, subtotal: Money) -> Stopped | None:
    if quote.refused:
        return Stopped(system.name, Outcome.REFUSED, quote.refused)
    if not quote.kind:
        # Nothing was to happen, so nothing did: whatever the answer was, it was only a question.
        return Stopped(system.name, Outcome.NOT_SENT, quote.answer.code or "unreadable_answer")
    if quote.kind == "amount" and quote.currency != subtotal.currency:
        return Stopped(system.name, Outcome.REFUSED, "other_currency")
    return None


def _as_answer(stopped: Stopped, answer: Answer) -> Answer:
    return replace(answer, outcome=stopped.outcome, code=stopped.code)
