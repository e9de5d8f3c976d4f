"""The parts of an order: the customer, the lines, the discounts, the total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money

MAX_LINES = 100  # people fill a cart by hand; more is a mistake or an attack
MAX_QUANTITY = 1000  # of one product; more is a wholesale order that needs a conversation first


@dataclass(frozen=True, slots=True)
class Customer:
    """Who orders. `email` is valid, `phone` is E.164 or empty."""

    name: str
    email: str
    phone: str = ""


@dataclass(frozen=True, slots=True)
class LineRequest:
    """What the customer asks for: a product and how many (1 to MAX_QUANTITY)."""

    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A submission's content, well-formed.

    It sets no prices: `expected_total` and `expected_subtotal` are what the customer was shown. If the order would cost
    something else, the customer is asked first. Either may be None. `inputs` are what the systems ask customers for.
    """

    customer: Customer
    lines: tuple[LineRequest, ...]
    inputs: Inputs = field(default_factory=Inputs)
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
    """What a system takes off: a discount, or a payment such as by gift card. `amount` is 0 or more."""

    source: str
    code: str
    amount: Money
    is_payment: bool = False


class Reduced:
    """Something that systems have taken amounts off: `discounts`, the payments among them."""

    __slots__ = ()
    discounts: Sequence[Discount]

    @property
    def reductions(self) -> list[Discount]:
        """What makes it cheaper."""
        return [one for one in self.discounts if not one.is_payment]

    @property
    def payments(self) -> list[Discount]:
        """What has been paid by other means, such as a gift card."""
        return [one for one in self.discounts if one.is_payment]


@dataclass(frozen=True, slots=True)
class OrderDocument(Reduced):
    """An order as the external systems see it.

    `total` is what is left to pay, after all discounts and payments; `in_shop`: the order was placed in the shop and
    has a page there.
    """

    number: str
    customer: Customer
    lines: tuple[Line, ...]
    subtotal: Money
    total: Money
    inputs: Inputs = field(default_factory=Inputs)
    discounts: tuple[Discount, ...] = ()
    in_shop: bool = False

    def taken_off(self, system: Named) -> Money:
        """Return what a system took off the price: its discount, or what is paid with it."""
        amounts = [one.amount.minor for one in self.discounts if one.source == system.name]
        return Money(sum(amounts), self.total.currency)


class Named(Protocol):
    """Something with the name of a system."""

    @property
    def name(self) -> str:
        """The system's name."""


Asked = TypeVar("Asked", OrderRequest, OrderDocument)


def as_spelt(order: Asked, spelt: Mapping[str, str]) -> Asked:
    """Return the order with its inputs in the systems' spelling, which is given by their names."""
    return replace(order, inputs=Inputs({**order.inputs, **spelt})) if spelt else order


@dataclass(frozen=True, slots=True)
class Effect:
    """What one system does or undoes for one placement of an order."""

    key: str  # the idempotency key, committed before the call and the same in every repeat
    order: OrderDocument  # the order of the effect

    def key_of(self, system: str) -> str:
        """Return the key of another system's effect in the same placement."""
        number, placement = self.key.split(":")[:2]
        return f"{number}:{placement}:{system}"
