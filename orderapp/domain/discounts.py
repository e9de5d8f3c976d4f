"""Computes what systems take off a price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderapp.domain.money import Money
from orderapp.domain.orders import Discount


@dataclass(frozen=True, slots=True)
class Offer:
    """What a system would take off: `percent` points or an `amount` in minor units, as a discount or as a payment."""

    source: str
    code: str
    kind: str
    value: int
    is_payment: bool = False


def apply(subtotal: Money, offers: Sequence[Offer]) -> tuple[Discount, ...]:
    """Turn offers into discounts and payments; payments pay what is left after all discounts.

    Each percentage is taken of the subtotal, so the result doesn't depend on which system answered first; halves of a
    minor unit are rounded up, in the customer's favour. None is negative, and together they never exceed the subtotal.

    Args:
        subtotal: What the lines cost.
        offers: In the order in which they are taken off.

    Returns:
        One for each offer; an amount may be 0 if nothing was left to take off.
    """
    left = subtotal.minor
    discounts = []
    for offer in sorted(offers, key=lambda one: one.is_payment):
        wanted = (subtotal.minor * offer.value + 50) // 100 if offer.kind == "percent" else offer.value
        amount = min(max(wanted, 0), left)
        left -= amount
        discounts.append(Discount(offer.source, offer.code, Money(amount, subtotal.currency), offer.is_payment))
    return tuple(discounts)
