"""The parts of an order: the customer, the lines, the discounts, the total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from orderapp.domain.money import Money

MAX_LINES = 100  # people fill a cart by hand; more is a mistake or an attack
MAX_QUANTITY = 1000  # of one product; more is a wholesale order that needs a conversation first


@dataclass(frozen=True, slots=True)
class Customer:
    """Who orders. `email` is valid, `phone` is E.164 or empty, `member_ref` may be empty."""

    name: str
    email: str
    phone: str = ""
    member_ref: str = ""


@dataclass(frozen=True, slots=True)
class LineRequest:
    """What the customer asks for: a product and how many (1 to MAX_QUANTITY)."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A submission's content, well-formed.

    It sets no prices: `expected_total` and `expected_subtotal` are what the customer was shown. If the order would cost
    something else, the customer is asked first. Either may be None.
    """

    customer: Customer
    lines: tuple[LineRequest, ...]
    coupon: str = ""
    benefit: str = ""
    allow_duplicate: bool = False
    expected_total: Money | None = None
    expected_subtotal: Money | None = None


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """The options of a retry of a failed order; everything else is as it was ordered."""

    allow_duplicate: bool = False
    expected_total: Money | None = None


AS_ORDERED = RetryRequest()


@dataclass(frozen=True, slots=True)
class Line:
    """A product as ordered, at the price at that time."""

    sku: str
    name: str
    quantity: int
    price: Money

    @property
    def total(self) -> Money:
        """The line's price times its quantity."""
        return self.price.times(self.quantity)


@dataclass(frozen=True, slots=True)
class Discount:
    """A discount and the system that gave it. `amount` is positive."""

    source: str
    code: str
    amount: Money


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """An order as the external systems see it; `in_shop`: it was placed in the shop and has a page there."""

    number: str
    customer: Customer
    lines: tuple[Line, ...]
    subtotal: Money
    total: Money
    coupon: str = ""
    benefit: str = ""
    discounts: tuple[Discount, ...] = ()
    in_shop: bool = False


Coded = TypeVar("Coded", OrderRequest, OrderDocument)


def as_spelt(order: Coded, spelt: Mapping[str, str]) -> Coded:
    """Return the order with its codes in the systems' spelling, which is given by input field."""
    if not spelt:
        return order
    return replace(
        order,
        customer=replace(order.customer, member_ref=spelt.get("customer.member_ref", order.customer.member_ref)),
        coupon=spelt.get("coupon", order.coupon),
        benefit=spelt.get("benefit", order.benefit),
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """What one system does or undoes for one placement of an order."""

    key: str  # the idempotency key, committed before the call and the same in every repeat
    order: OrderDocument  # the order of the effect
