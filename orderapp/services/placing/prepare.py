"""Prepares TX1: limits on attempts, prices, which systems may be called, and the discounts for the codes."""

from __future__ import annotations

from dataclasses import replace

from orderapp.config import Settings
from orderapp.domain.orders import OrderDocument, as_spelt
from orderapp.domain.outcome import Outcome
from orderapp.services.access.code_guesses import count_refused, counting, refuse_guessers
from orderapp.services.placing.call_order import most_error_prone_first
from orderapp.services.placing.opening import Opening, Submitted
from orderapp.services.placing.order_limits import refuse_too_many
from orderapp.services.placing.preflight import Beforehand, look_up
from orderapp.services.placing.pricing import Priced, ask_for_discounts, price, price_as_ordered, refuse_another_total
from orderapp.services.resilience.admission import admit
from orderapp.services.saga.content_hashes import hash_cart
from orderapp.systems.base import Part


def look_before(submitted: Submitted) -> Beforehand:
    """Read what must be known first: one statement on PostgreSQL."""
    request, guess = submitted.request, submitted.guess
    buckets = [*guess.limits(), *guess.buckets_of_tries()]
    return look_up(
        submitted.by.scope,
        submitted.key,
        [line.sku for line in request.lines],
        [*buckets, *(one.bucket for one in submitted.allowances)],
    )


def prepare(
    submitted: Submitted, before: Beforehand, settings: Settings, ordered: OrderDocument | None = None
) -> Opening:
    """Return what TX1 records. Ask the systems that give discounts; record nothing but guesses.

    Args:
        submitted: The submission.
        before: What `look_before` returned.
        settings: Leases, windows, and the external systems.
        ordered: The order that is retried, at its original prices; None for a new order.

    Raises:
        TooManyAttempts, TooManyOrders: no system was asked.
        InvalidRequest, TotalChanged: the request can't be fulfilled, or its total is different now.
    """
    request, guess = submitted.request, submitted.guess
    refuse_guessers(guess.limits(), before.counted)
    refuse_too_many(submitted.allowances, before.counted)
    priced = price(request, before.products)
    if ordered is not None:
        priced = price_as_ordered(ordered)
    with counting(guess):
        opening = _opening(submitted, priced, before, settings)
    stopped = opening.offered.stopped
    if stopped and stopped.outcome is Outcome.REFUSED:
        count_refused(guess)
    return opening


def _opening(submitted: Submitted, priced: Priced, before: Beforehand, settings: Settings) -> Opening:
    request = submitted.request
    concerned = [system for system in settings.systems.having(Part.BLOCKING) if system.concerns(request)]
    admission = admit(before.standing, concerned)
    offered = ask_for_discounts(request, priced.subtotal, settings.systems, admission)
    refuse_another_total(request, priced, offered)
    request = replace(as_spelt(request, offered.spelt), language=request.language or settings.language)
    return Opening(
        submitted,
        request,
        cart_hash=hash_cart(submitted.by.scope, request),
        priced=priced,
        offered=offered,
        systems=tuple(most_error_prone_first(concerned)),
        admission=admission,
        lease_seconds=settings.submission_lease_seconds,
        duplicate_window_seconds=settings.duplicate_window_seconds,
        tax_percent=settings.tax_percent,
    )
