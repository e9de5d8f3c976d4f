"""Tells what an order would cost before it is placed: prices, and the discounts for its codes. Reserves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orderapp.config import Settings
from orderapp.domain import discounts
from orderapp.domain.discounts import Offer
from orderapp.domain.money import Money
from orderapp.domain.orders import Discount, Line, OrderRequest, Reduced
from orderapp.domain.outcome import Outcome, Quote
from orderapp.services.access.code_guesses import KEPT_FOR_ORDER, Guess, count_preview, refuse_guessers
from orderapp.services.placing import preview_limits
from orderapp.services.placing.preflight import Beforehand, look_up
from orderapp.services.placing.pricing import (
    NOT_USABLE,
    offer_of,
    path_of,
    price,
    quotes_of,
    systems_with_discounts,
    why_not_usable,
)
from orderapp.services.placing.submitters import Submitter
from orderapp.services.resilience.admission import PreviewAdmission, admit_preview
from orderapp.services.saga.values import Stopped
from orderapp.systems.base import System
from orderapp.systems.registry import Systems


@dataclass(frozen=True, slots=True)
class Preview(Reduced):
    """What an order would cost at present."""

    lines: tuple[Line, ...]
    subtotal: Money
    discounts: tuple[Discount, ...] = ()
    problems: Mapping[str, list[str]] = field(default_factory=dict)  # codes that can't be used, by field
    refused: tuple[Stopped, ...] = ()  # systems that would refuse the order because of a code
    is_known: bool = True  # False: a system couldn't be asked, so the order may cost less than `total`

    @property
    def total(self) -> Money:
        """What would be left to pay."""
        taken_off = sum(one.amount.minor for one in self.discounts)
        return Money(self.subtotal.minor - taken_off, self.subtotal.currency)


def preview(request: OrderRequest, by: Submitter, settings: Settings, *, ask: bool = True) -> Preview:
    """Return what an order would cost. Change nothing in any system.

    Codes count as guesses until they are ordered with, because the answer tells whether they are right. Each preview
    counts too; beyond `preview_limits`, or where orders need the room, no system is asked and discounts are unknown.

    Transaction: one for each counter and each system with an agreed rate, committed here; none if nobody is asked.

    Args:
        request: Lines and inputs; who orders doesn't matter.
        by: Who wants to know.
        settings: The external systems.
        ask: False to ask no system: there are more important calls to make.

    Raises:
        TooManyAttempts: too many codes were tried; no system was asked.
        InvalidRequest: a product that isn't sold, or lines that can't be ordered together.
    """
    guess = Guess.of(by.guessers, request.inputs, settings.systems.inputs)
    buckets = [*guess.limits(), *guess.buckets_of_tries(), *preview_limits.buckets_of(by.sources)]
    before = look_up(by.scope, "", [line.sku for line in request.lines], buckets)
    priced = price(request, before.products)
    asked = systems_with_discounts(request, settings.systems)
    if not asked:
        return Preview(priced.lines, priced.subtotal)
    refuse_guessers(guess.limits(KEPT_FOR_ORDER), before.counted)
    admission = _admitted(before, by, asked) if ask else None
    if admission is None:
        return Preview(priced.lines, priced.subtotal, is_known=False)
    count_preview(guess)
    found = _Found(settings.systems, priced.subtotal)
    for system, (quote, _started, _ended) in quotes_of(asked, request, admission):
        found.add(system, quote)
    taken_off = discounts.apply(priced.subtotal, found.offers)
    return Preview(
        priced.lines, priced.subtotal, taken_off, found.problems, tuple(found.refused), is_known=not found.unanswered
    )


def may_take_off(request: OrderRequest, systems: Systems) -> bool:
    """Return whether a system may take something off the price of these lines with these inputs."""
    return bool(systems_with_discounts(request, systems))


def _admitted(before: Beforehand, by: Submitter, asked: list[System]) -> PreviewAdmission | None:
    """Count this preview; return the permission to ask these systems, None if there is none."""
    if preview_limits.are_used_up(by.sources, before.counted) or not preview_limits.count(by.sources):
        return None
    return admit_preview(before.standing, asked)


class _Found:
    """What the systems have answered so far."""

    def __init__(self, systems: Systems, subtotal: Money) -> None:
        self._systems, self._subtotal = systems, subtotal
        self.offers: list[Offer] = []
        self.problems: dict[str, list[str]] = {}
        self.refused: list[Stopped] = []
        self.unanswered = False

    def add(self, system: System, quote: Quote | None) -> None:
        if quote is None:
            return
        if quote.field:
            self.problems[path_of(quote, self._systems)] = [why_not_usable(system, quote)]
            return
        offer = offer_of(system, quote, self._subtotal)
        if isinstance(offer, Offer):
            self.offers.append(offer)
        elif offer.outcome is not Outcome.REFUSED:
            self.unanswered = True
        else:
            self._refuse(system, offer)

    def _refuse(self, system: System, refusal: Stopped) -> None:
        """Add a refusal. A code of a certain person reads like an unknown one: its state is that person's affair."""
        somebodys = [code for code in system.inputs if code.needs]
        if somebodys:
            self.problems[somebodys[0].path] = [NOT_USABLE]
        else:
            self.refused.append(refusal)
