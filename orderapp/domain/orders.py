"""What an order is: the customer, the lines, the discounts, the total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from orderapp.domain.money import Money

MAX_LINES = 100  # a basket people fill by hand; more is a mistake or an attack
MAX_QUANTITY = 1000  # of one product; more is a wholesale order that people talk about first


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
    """A submission's content, checked for form.

    Nothing in it says what anything costs: `expected_total` and `expected_subtotal` are what the customer was shown,
    and where it would cost something else they are asked first. Either may be None.
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
    """What is said with the wish to place a failed order again; the rest is as it was ordered."""

    allow_duplicate: bool = False
    expected_total: Money | None = None


AS_ORDERED = RetryRequest()


@dataclass(frozen=True, slots=True)
class Line:
    """A product as ordered, at the price of that moment."""

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
    """What was taken off, and by whose word. `amount` is positive."""

    source: str
    code: str
    amount: Money


@dataclass(frozen=True, slots=True)
class OrderDocument:
    """An order as the external systems get to see it; `in_shop`: it was placed in the shop, and has its page there."""

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
    """Return an order whose codes are written as the systems spell them, by input field."""
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
    """What one system is to do, or to undo, for one placement of an order.

    Args:
        key: Made before the call, committed before the call, the same in every repeat.
        order: The order it is for.

    """

    key: str
    order: OrderDocument
