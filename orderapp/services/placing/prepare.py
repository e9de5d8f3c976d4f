"""Prepares TX1: limits on attempts, prices, which systems may be called, and the discounts for the codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.config import Settings
from orderapp.domain.orders import OrderDocument, OrderRequest, as_spelt
from orderapp.domain.outcome import Outcome
from orderapp.services.access.attempt_counters import Allowance
from orderapp.services.access.code_guesses import Guess, count_refused, counting, refuse_guessers
from orderapp.services.placing.call_order import most_error_prone_first
from orderapp.services.placing.cart_locks import Cart
from orderapp.services.placing.order_limits import allowances_of, refuse_too_many
from orderapp.services.placing.preflight import Beforehand, look_up
from orderapp.services.placing.pricing import Priced, ask_for_discounts, price, price_as_ordered, refuse_another_total
from orderapp.services.placing.submitters import Submitter
from orderapp.services.placing.tx1_rows import Opening
from orderapp.services.resilience.admission import admit
from orderapp.services.saga.content_hashes import ContentHash, hash_cart
from orderapp.systems.base import Part


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission as it arrived: what is asked for, by whom, and under which key."""

    request: OrderRequest
    by: Submitter
    key: str
    content_hash: ContentHash
    guess: Guess
    allowances: Sequence[Allowance]  # the order limits that its placement uses up

    @classmethod
    def of(
        cls, request: OrderRequest, by: Submitter, key: str, content_hash: ContentHash, settings: Settings
    ) -> Submitted:
        """Return the submission, with the limits of the settings."""
        guess = Guess.of(by.guessers, request.inputs, settings.systems.inputs)
        return cls(request, by, key, content_hash, guess, allowances_of(by.sources, settings.order_limits))


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
) -> tuple[Opening, Cart]:
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
    return opening, _cart(submitted, opening, settings)


def _opening(submitted: Submitted, priced: Priced, before: Beforehand, settings: Settings) -> Opening:
    request = submitted.request
    concerned = [system for system in settings.systems.having(Part.BLOCKING) if system.concerns(request)]
    admission = admit(before.standing, concerned)
    offered = ask_for_discounts(request, priced.subtotal, settings.systems, admission)
    refuse_another_total(request, priced, offered)
    return Opening(
        submitted.by.scope,
        submitted.key,
        str(submitted.content_hash),
        priced,
        offered,
        tuple(most_error_prone_first(concerned)),
        admission,
        settings.submission_lease_seconds,
    )


def _cart(submitted: Submitted, opening: Opening, settings: Settings) -> Cart:
    request = as_spelt(submitted.request, opening.offered.spelt)
    return Cart(
        customer=request.customer,
        inputs=request.inputs,
        client_id=submitted.by.client_id,
        cart_hash=hash_cart(submitted.by.scope, request),
        duplicate_window_seconds=settings.duplicate_window_seconds,
        allow_duplicate=request.allow_duplicate,
        allowances=submitted.allowances,
    )
