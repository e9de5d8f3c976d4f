"""Places orders, from a submission to its answer. Start reading here.

submit ─► look up: the key, products, the systems' status, guesses               (preflight)
   ├─► known key: take over, replay, wait or refuse                              (submissions)
   ├─► prices; may its systems be called now?; discounts                         (prepare, pricing, load_shedding)
   ├─► TX1: order, placement, steps, submission with its lease                   (tx1)
   ├─► the blocking systems, one after the other, no transaction open            (blocking_calls)
   └─► TX2: confirmed, with its tasks, or TX3: compensating, with its tasks      (tx2, saga.abort)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import structlog
from sqlalchemy.exc import IntegrityError

from orderapp.config import Settings
from orderapp.domain.orders import AS_ORDERED, LineRequest, OrderDocument, OrderRequest, RetryRequest
from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.errors import (
    CompensationInProgress,
    InProgress,
    LeaseLost,
    ProbableDuplicate,
    SystemUnknown,
    TooManyAttempts,
    WrongState,
)
from orderapp.services.access.code_guesses import take_back_ordered
from orderapp.services.db.transactions import reading
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders.views import OrderView, find_order, view_confirmed
from orderapp.services.placing.blocking_calls import call_blocking
from orderapp.services.placing.opening import Opening, Submitted
from orderapp.services.placing.prepare import look_before, prepare
from orderapp.services.placing.submitters import UNCOUNTED, Submitter
from orderapp.services.placing.tx1 import open_order, open_retry
from orderapp.services.placing.tx2 import confirm
from orderapp.services.saga.abort import abort_placement, record_too_late
from orderapp.services.saga.archived_keys import refuse_archived_key
from orderapp.services.saga.content_hashes import ContentHash, hash_order, hash_retry
from orderapp.services.saga.order_documents import load_document
from orderapp.services.saga.submissions import find, take_over
from orderapp.services.saga.values import Held, Stopped

log = structlog.get_logger()

# How long a client waits before it asks whether a compensation is complete. Most take one or two seconds.
COMPENSATION_RETRY_SECONDS = 2


class Result(StrEnum):
    """What became of a submission."""

    CONFIRMED = "confirmed"  # all blocking systems did their part
    REPLAYED = "replayed"  # confirmed earlier, under the same key; it may have been cancelled since
    REFUSED = "refused"  # a system said no
    UNAVAILABLE = "unavailable"  # a system failed, or its outcome is unknown


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to a submission. For the last two results, `stopped` says which system stopped the order."""

    order: OrderView  # as it is now
    result: Result  # what became of the submission
    stopped: Stopped | None = None  # what stopped it


class Placing:
    """Places orders with given settings and systems.

    Args:
        settings: Leases, windows, and the external systems.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._systems = settings.systems

    def submit(
        self, request: OrderRequest, key: str, by: Submitter = UNCOUNTED, replaces: uuid.UUID | None = None
    ) -> Placed:
        """Place an order, or return what became of the order under this key.

        Transaction: two (TX1, and TX2 or TX3), neither open while a system is called.
        Idempotent because: the key is unique; the same key always leads to the same order.
        If we die here: a repeat with the same key continues, or the timer compensates.

        Args:
            request: A well-formed request.
            key: 1 to 64 characters, chosen by the submitter or made with the form.
            by: Who submits. A repeat of a recorded key gets its answer in any case: limits don't apply to it.
            replaces: The failed order in whose place this one is ordered: its customer needn't be told any more.

        Raises:
            InvalidRequest, ProbableDuplicate, TotalChanged, TooManyAttempts, TooManyOrders: nothing was recorded.
            KeyReused, OrderArchived, InProgress: nothing was done.
            DatabaseUnavailable: repeat with the same key.
        """
        submitted = Submitted.of(request, by, key, hash_order(request), self._settings)
        return self._place(replace(submitted, replaces=replaces), open_order)

    def retry(
        self, order_id: uuid.UUID, key: str, by: Submitter = UNCOUNTED, wishes: RetryRequest = AS_ORDERED
    ) -> Placed:
        """Place a failed order again: a new placement with its own keys, at the prices of the order.

        It counts like an order, because every placement calls, charges and sends.

        Transaction, Idempotent because, If we die here: as for `submit`.

        Raises:
            NotFound: there is no such order.
            CompensationInProgress: the earlier placement still holds something; nothing was done.
            WrongState: the order isn't failed, or its customer was erased; nothing was done.
            SystemUnknown: this process doesn't know a system that took something off; nothing was done.
            InvalidRequest, ProbableDuplicate, TotalChanged, TooManyAttempts, TooManyOrders: nothing was recorded.
            KeyReused, OrderArchived, InProgress, DatabaseUnavailable: as for `submit`.
        """
        content_hash = hash_retry(order_id)
        known = self._answer(by.scope, key, content_hash)
        if known:
            return known
        order = find_order(order_id)
        if order.state is not OrderState.FAILED or order.is_erased:
            # A submission with the same key may have been recorded since we looked.
            known = self._answer(by.scope, key, content_hash)
            if known:
                return known
            raise self._why_not_again(order)
        with reading() as session:
            document = load_document(session, order_id)
        request = replace(
            as_request(document), allow_duplicate=wishes.allow_duplicate, expected_total=wishes.expected_total
        )
        for taken_off in document.discounts:
            if taken_off.source not in self._systems:
                raise SystemUnknown(taken_off.source)  # without it the order would cost more than was agreed
        submitted = Submitted.of(request, by, key, content_hash, self._settings)

        def write(opening: Opening) -> Held:
            return open_retry(opening, order_id, order.placements, document)

        return self._place(submitted, write, document)

    def _place(
        self, submitted: Submitted, write: Callable[[Opening], Held], ordered: OrderDocument | None = None
    ) -> Placed:
        before = look_before(submitted)
        known = self._answer_known(submitted) if before.submitted else None
        if known:
            return known
        try:
            opening = prepare(submitted, before, self._settings, ordered)
            held = write(opening)
        except (IntegrityError, ProbableDuplicate, TooManyAttempts, WrongState) as error:
            # A submission with the same key was recorded first, or a retry under another key was, or the order number
            # was taken.
            known = self._answer_known(submitted)
            if known:
                return known
            if not isinstance(error, IntegrityError):
                raise
            held = write(opening)
        stopped = opening.offered.stopped
        if stopped is None:
            take_back_ordered(submitted.guess, before.counted)
        return self._go_on(held, stopped)

    def _answer_known(self, submitted: Submitted) -> Placed | None:
        return self._answer(submitted.by.scope, submitted.key, submitted.content_hash)

    def _answer(self, scope: str, key: str, content_hash: ContentHash) -> Placed | None:
        known = find(scope, key)
        if known is None:
            refuse_archived_key(scope, key, content_hash)
            return None
        held = take_over(known, content_hash, self._settings.submission_lease_seconds, self._systems)
        if held is not None:
            log.info("submission.resumed", order=held.document.number)
            return self._go_on(held, None)
        order = find_order(known.order_id)
        if order.state is OrderState.PLACING:
            # This key's placement is decided, so a later one is running: its result will be this key's answer.
            raise InProgress(COMPENSATION_RETRY_SECONDS, order.id)
        return _placed(order, order.stopped, Result.REPLAYED)

    def _go_on(self, held: Held, stopped: Stopped | None) -> Placed:
        order, stopped = (find_order(held.order_id), stopped) if stopped else self._run(held)
        log.info("order.placed", order=order.number, state=order.state.value, placement=held.placement_number)
        # Another holder may have confirmed it instead of us, and it may have been cancelled since.
        return _placed(order, stopped, Result.CONFIRMED if order.state is OrderState.CONFIRMED else Result.REPLAYED)

    def _run(self, held: Held) -> tuple[OrderView, Stopped | None]:
        results = call_blocking(held, self._systems)
        complete = len(results) == len(held.steps) and all(one.answer.outcome is Outcome.DONE for one in results)
        try:
            if not complete:
                stopped = abort_placement(held, results, self._systems)
                wake_relay()
                return find_order(held.order_id), stopped
            confirmed = confirm(held, results, self._systems)
            wake_relay()
        except LeaseLost:
            log.warning("submission.lease_lost", order=held.document.number)
            record_too_late(held, results, self._systems)
            order = find_order(held.order_id)
            if order.state is OrderState.PLACING:
                raise InProgress(COMPENSATION_RETRY_SECONDS, order.id) from None
            return order, order.stopped
        fresh = held.placement_number == 1 and not held.resumed
        return (view_confirmed(held, confirmed) if fresh else find_order(held.order_id)), None

    def _why_not_again(self, order: OrderView) -> InProgress | CompensationInProgress | WrongState:
        if order.state is OrderState.PLACING:
            return InProgress(COMPENSATION_RETRY_SECONDS, order.id)
        if order.state is OrderState.COMPENSATING:
            return CompensationInProgress(order.id, COMPENSATION_RETRY_SECONDS)
        if order.is_erased:
            return WrongState("Its customer's data was erased, so it can't be tried again; place a new order.")
        return WrongState(f"The order is {order.state.value}; only a failed order can be tried again.")


def _placed(order: OrderView, stopped: Stopped | None, otherwise: Result) -> Placed:
    """Return the answer: the order's state says whether it failed, since a refusal may also have cancelled it."""
    if stopped is None or not order.has_failed:
        return Placed(order, otherwise)
    return Placed(order, Result.REFUSED if stopped.outcome is Outcome.REFUSED else Result.UNAVAILABLE, stopped)


def as_request(document: OrderDocument) -> OrderRequest:
    """Return what the customer asked for with an order."""
    lines = tuple(LineRequest(line.sku, line.quantity) for line in document.lines)
    return OrderRequest(document.customer, lines, document.inputs)
