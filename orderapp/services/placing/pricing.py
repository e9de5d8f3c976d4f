"""Prices an order: prices from our catalogue, discounts from the systems, asked before anything is reserved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from orderapp.domain import discounts
from orderapp.domain.discounts import Offer
from orderapp.domain.money import MAX_MINOR, Money
from orderapp.domain.orders import Discount, Line, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote
from orderapp.domain.verbs import Verb
from orderapp.errors import InvalidRequest, TotalChanged
from orderapp.services.placing.preflight import Sold
from orderapp.services.placing.side_by_side import all_of
from orderapp.services.resilience.admission import Admission, PreviewAdmission
from orderapp.services.saga.values import Stopped, Try
from orderapp.systems.base import Part, System
from orderapp.systems.registry import Systems

# What customers read at a code that can't be used, if its system has no words for it.
NOT_SOLD = "This product isn't sold here."
NOT_USABLE = "This can't be used: please check how it is written."


@dataclass(frozen=True, slots=True)
class Priced:
    """Lines at today's prices."""

    lines: tuple[Line, ...]
    subtotal: Money


@dataclass(frozen=True, slots=True)
class Offered:
    """The discounts, or what stopped us from getting them: then nothing may be reserved."""

    discounts: tuple[Discount, ...] = ()
    stopped: Stopped | None = None
    expected: bool = False  # whether there may be discounts that nobody knows, because we were stopped
    tried: Try | None = None
    spelt: Mapping[str, str] = field(default_factory=dict)  # the customer's codes as the systems spell them, by field


def price(request: OrderRequest, products: Mapping[str, Sold]) -> Priced:
    """Price a request's lines.

    Args:
        request: The lines.
        products: All products of the lines that are for sale, by SKU.

    Raises:
        InvalidRequest: a product that isn't sold, or lines in two currencies.
    """
    errors: dict[str, list[str]] = {}
    for number, line in enumerate(request.lines):
        if line.sku not in products:
            errors[f"lines.{number}.sku"] = [NOT_SOLD]
    if errors:
        raise InvalidRequest(errors)
    sold = [(line, products[line.sku]) for line in request.lines]
    currencies = {one.price.currency for _line, one in sold}
    if len(currencies) > 1:
        raise InvalidRequest({"lines": [f"Products in {' and '.join(sorted(currencies))} can't be ordered together."]})
    lines = tuple(Line(line.sku, one.name, line.quantity, one.price) for line, one in sold)
    subtotal = Money(sum(line.total.minor for line in lines), currencies.pop())
    if subtotal.minor > MAX_MINOR:
        raise InvalidRequest({"lines": ["An order of this size can't be placed here; please talk to us."]})
    return Priced(lines, subtotal)


def price_as_ordered(document: OrderDocument) -> Priced:
    """Return the original prices of an order that is retried."""
    return Priced(document.lines, document.subtotal)


def refuse_another_total(request: OrderRequest, priced: Priced, offered: Offered) -> None:
    """Raise TotalChanged if the order would cost something else than the customer was shown.

    If the discounts are unknown, the total may be at most the price of the lines, and nothing is charged yet.
    """
    taken_off = sum(one.amount.minor for one in offered.discounts)
    total = replace(priced.subtotal, minor=priced.subtotal.minor - taken_off)
    expected, expected_subtotal = request.expected_total, request.expected_subtotal
    another = expected is not None and expected != total
    if another and expected is not None and offered.expected:
        another = expected.currency != total.currency or expected.minor > total.minor
    if another or (expected_subtotal is not None and expected_subtotal != priced.subtotal):
        raise TotalChanged(total, priced.lines, offered.discounts)


def ask_for_discounts(request: OrderRequest, subtotal: Money, systems: Systems, admission: Admission) -> Offered:
    """Ask each system that gives discounts what this order would get. Change nothing anywhere.

    Ask no system if one of them may not be called at present, because this order can't be confirmed.

    Raises:
        InvalidRequest: the system doesn't know a code; nothing is recorded.
    """
    asked = systems_with_discounts(request, systems)
    for system in asked:
        if not system.configured:
            raise InvalidRequest({"": [f"{system.title} can't be used here."]})
    for name, answer in admission.refusals.items():
        now = time.monotonic()
        stopped = Stopped(name, answer.outcome, answer.code)
        return Offered(stopped=stopped, expected=bool(asked), tried=Try(Verb.ACT, answer, now, now))
    offers: list[Offer] = []
    spelt: dict[str, str] = {}
    for system, (quote, started, ended) in quotes_of(asked, request, admission):
        if quote is None:
            continue
        if quote.field:
            raise InvalidRequest({path_of(quote, systems): [why_not_usable(system, quote)]})
        offer = offer_of(system, quote, subtotal)
        if isinstance(offer, Stopped):
            tried = Try(Verb.QUOTE, _as_answer(offer, quote.answer), started, ended)
            return Offered(stopped=offer, expected=True, tried=tried)
        offers.append(offer)
        spelt.update(quote.spelt)
    return Offered(discounts.apply(subtotal, offers), spelt=spelt)


Asked = tuple[Quote | None, float, float]  # what a system offers, and when it was asked and answered (monotonic clock)


def quotes_of(
    asked: Sequence[System], request: OrderRequest, admission: Admission | PreviewAdmission
) -> Iterator[tuple[System, Asked]]:
    """Ask these systems side by side what they would take off; yield the answers in the same order."""
    return zip(asked, all_of([partial(_ask, admission.of(system), request) for system in asked]), strict=True)


def path_of(quote: Quote, systems: Systems) -> str:
    """Return where the API's body has the input that a quote says is wrong."""
    return systems.inputs[quote.field].path if quote.field in systems.inputs else quote.field


def why_not_usable(system: System, quote: Quote) -> str:
    """Return what customers read at an input whose value a system doesn't know.

    A code of a certain person reads the same whether it doesn't exist or belongs to another customer.
    """
    somebodys = any(code.needs for code in system.inputs)
    return NOT_USABLE if somebodys else system.refusals.get(quote.refused, NOT_USABLE)


def offer_of(system: System, quote: Quote, subtotal: Money) -> Offer | Stopped:
    """Return what a system would take off, or what stops an order with these inputs."""
    obstacle = _obstacle(system, quote, subtotal)
    if obstacle:
        return obstacle
    code = f"\N{HORIZONTAL ELLIPSIS}{quote.code[-2:]}" if system.is_payment else quote.code
    return Offer(system.name, code, quote.kind, quote.value, system.is_payment)


def systems_with_discounts(request: OrderRequest, systems: Systems) -> list[System]:
    """Return the systems that may take something off this order's price.

    One without an address takes no part, unless the customer typed something in for it.
    """

    def takes_part(system: System) -> bool:
        return system.configured or any(request.inputs[code.name] for code in system.inputs)

    quoting = [system for system in systems.values() if system.part is Part.BLOCKING and system.can(Verb.QUOTE)]
    return [system for system in quoting if takes_part(system) and system.concerns(request)]


def _ask(system: System, request: OrderRequest) -> Asked:
    started = time.monotonic()
    return system.quote(request), started, time.monotonic()


def _obstacle(system: System, quote: Quote, subtotal: Money) -> Stopped | None:
    if quote.refused:
        return Stopped(system.name, Outcome.REFUSED, quote.refused)
    if not quote.kind:
        # A question has no effect, so no answer to it can leave one behind.
        return Stopped(system.name, Outcome.NOT_SENT, quote.answer.code or "unreadable_answer")
    if quote.kind == "amount" and quote.currency != subtotal.currency:
        return Stopped(system.name, Outcome.REFUSED, "other_currency")
    return None


def _as_answer(stopped: Stopped, answer: Answer) -> Answer:
    return replace(answer, outcome=stopped.outcome, code=stopped.code)
