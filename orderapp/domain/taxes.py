"""The tax that is included in a price."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from orderapp.domain.money import Money


def included_in(total: Money, percent: Decimal) -> Money:
    """Return the tax that a total contains; halves of a minor unit are rounded up.

    Args:
        total: What is paid, tax included.
        percent: The rate on the price before tax, 0 or more: of 119.00, 19 percent are 19.00.
    """
    exact = Decimal(total.minor) * percent / (100 + percent)
    return Money(int(exact.quantize(Decimal(1), ROUND_HALF_UP)), total.currency)
