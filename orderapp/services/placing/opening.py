"""A submission as it arrived, and what its placement opens with: the input of TX1."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from orderapp.config import Settings
from orderapp.domain.money import Money
from orderapp.domain.orders import OrderRequest
from orderapp.services.access.attempt_counters import Allowance
from orderapp.services.access.code_guesses import Guess
from orderapp.services.placing.order_limits import allowances_of
from orderapp.services.placing.pricing import Offered, Priced
from orderapp.services.placing.submitters import Submitter
from orderapp.services.resilience.admission import Admission
from orderapp.services.saga.content_hashes import ContentHash
from orderapp.systems.base import System


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submission as it arrived: what is asked for, by whom, and under which key."""

    request: OrderRequest
    by: Submitter
    key: str
    content_hash: ContentHash
    guess: Guess
    allowances: Sequence[Allowance]  # the order limits that its placement uses up
    replaces: uuid.UUID | None = None  # the failed order in whose place it is ordered

    @classmethod
    def of(
        cls, request: OrderRequest, by: Submitter, key: str, content_hash: ContentHash, settings: Settings
    ) -> Submitted:
        """Return the submission, with the limits of the settings."""
        guess = Guess.of(by.guessers, request.inputs, settings.systems.inputs)
        return cls(request, by, key, content_hash, guess, allowances_of(by.sources, settings.order_limits))


@dataclass(frozen=True, slots=True)
class Opening:
    """The input of a new placement.

    Args:
        submitted: The submission.
        request: What it asks for, with the codes as the systems spell them.
        cart_hash: The customer's cart.
        priced: Lines and subtotal.
        offered: The discounts, or what stopped us from getting them: then the placement is recorded as ended
            immediately, because nothing was reserved.
        systems: The systems with a step in it, in the order of the calls.
        admission: Which of them may be called at present.
        lease_seconds: How long we hold the placement.
        duplicate_window_seconds: How long its cart counts as ordered; 0: an identical cart is never a duplicate.
        tax_percent: The tax that today's prices include.
    """

    submitted: Submitted
    request: OrderRequest
    cart_hash: str
    priced: Priced
    offered: Offered
    systems: tuple[System, ...]
    admission: Admission
    lease_seconds: float
    duplicate_window_seconds: int
    tax_percent: Decimal = Decimal(0)

    @property
    def total(self) -> Money:
        """What the customer pays."""
        return Money(
            self.priced.subtotal.minor - sum(one.amount.minor for one in self.offered.discounts),
            self.priced.subtotal.currency,
        )
