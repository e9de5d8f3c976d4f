"""Computes discounts."""

from __future__ import annotations

from orderapp.domain.money import Money
from orderapp.domain.orders import Discount


def apply(subtotal: Money, offers: list[tuple[str, str, str, int]]) -> tuple[Discount, ...]:
    """Turn offers into discounts.

    Each percentage is taken of the subtotal, so the result doesn't depend on which system answered first; halves of a
    minor unit are rounded up, in the customer's favour. None is negative, and together they never exceed the subtotal.

    Args:
        subtotal: What the lines cost.
        offers: (source, code, kind `percent` or `amount`, value) in the order in which they are taken off.

    Returns:
        One discount per offer; an amount may be 0 if nothing was left to take off.
    """
    left = subtotal.minor
    discounts = []
    for source, code, kind, value in offers:
        wanted = (subtotal.minor * value + 50) // 100 if kind == "percent" else value
        amount = min(max(wanted, 0), left)
        left -= amount
        discounts.append(Discount(source, code, Money(amount, subtotal.currency)))
    return tuple(discounts)
