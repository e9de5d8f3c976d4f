"""The parts of an order: the customer, the lines, the discounts, the total."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol, TypeVar

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.states import News

MAX_LINES = 100  # people fill a cart by hand; more is a mistake or an attack
MAX_QUANTITY = 1000  # of one product; more is a wholesale order that needs a conversation first


@dataclass(frozen=True, slots=True)
class Customer:
    """Who orders."""

    name: str  # as typed in, on one line
    email: str  # a valid address
    phone: str = ""  # in the form of E.164, such as `+4930901820`; or empty


NOBODY = Customer("", "")  # of an order that is only priced


@dataclass(frozen=True, slots=True)
class LineRequest:
    """What the customer asks for: a product and how many."""

    sku: str  # the product's name in the catalogue
    quantity: int  # 1 to 1000


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A submission's content, well-formed. It sets no prices.

    A system gets it before there is an order: in `quote`, and in `concerns`.
    """

    customer: Customer  # who orders
    lines: tuple[LineRequest, ...]  # what, 1 to 100 products
    inputs: Inputs = field(default_factory=Inputs)  # what the systems ask customers for
    allow_duplicate: bool = False  # whether the customer knows of the same order a moment ago, and wants it twice
    # What the customer was shown. If the order would cost something else, the customer is asked first.
    expected_total: Money | None = None
    # The same before discounts.
    expected_subtotal: Money | None = None
    language: str = ""  # the code of the customer's language; empty if nobody knows it


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """The options of a retry of a failed order; everything else is as it was ordered."""

    allow_duplicate: bool = False
    expected_total: Money | None = None


AS_ORDERED = RetryRequest()


@dataclass(frozen=True, slots=True)
class Line:
    """A product as ordered, at the price at that time."""

    sku: str  # the product's name in the catalogue
    name: str  # what customers read
    quantity: int  # 1 to 1000
    price: Money  # of one piece

    @property
    def total(self) -> Money:
        """The line's price times its quantity."""
        return self.price.times(self.quantity)


@dataclass(frozen=True, slots=True)
class Discount:
    """What a system takes off: a discount, or a payment such as by gift card."""

    source: str  # the system's name
    code: str  # the customer's code, as the system spells it
    amount: Money  # 0 or more
    is_payment: bool = False  # whether it is a payment and not a discount


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
    """An order as the external systems see it."""

    number: str  # what customers and partners call it; unique
    customer: Customer  # who orders
    lines: tuple[Line, ...]  # what, at the prices of that time
    subtotal: Money  # of all lines
    total: Money  # what is left to pay, after all discounts and payments
    inputs: Inputs = field(default_factory=Inputs)  # what the systems asked the customer for
    discounts: tuple[Discount, ...] = ()  # what systems take off, payments such as by gift card among them
    in_shop: bool = False  # whether it was placed in the shop, and has a page there
    language: str = "en"  # the code of the language in which its customer is written to
    tax_percent: Decimal = Decimal(0)  # the tax that its prices include; 0 if the shop showed none
    corrected_email: str = ""  # where its customer is written to instead; empty if the address wasn't corrected

    @property
    def mail_to(self) -> str:
        """The address that its mails go to. What other systems know a customer by is `customer.email`, which stays."""
        return self.corrected_email or self.customer.email

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
    """What one system does or undoes for one placement of an order.

    Example:
        >>> tea = Line("tea", "Green tea", 2, Money(450, "EUR"))
        >>> order = OrderDocument("A-1", Customer("Ada", "ada@example.org"), (tea,), tea.total, tea.total)
        >>> Effect("A-1:1:loyalty", order).key_of("settlement")
        'A-1:1:settlement'
    """

    key: str  # the idempotency key, committed before the call and the same in every repeat
    order: OrderDocument  # the order of the effect
    news: News = News.CONFIRMED  # what a message tells
    reason: str = ""  # why the order came to that, a sentence in its language; empty if there is nothing to say
    at: dt.datetime | None = None  # when it came to that

    def key_of(self, system: str) -> str:
        """Return the key of another system's effect in the same placement."""
        number, placement = self.key.split(":")[:2]
        return f"{number}:{placement}:{system}"
