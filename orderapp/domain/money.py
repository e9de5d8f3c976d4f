"""Money: integer minor units and a currency, never a float."""

from __future__ import annotations

from dataclasses import dataclass

# The largest amount that is accepted from anybody. Ten thousand million units with two decimals: far above any order,
# and a line's price times its quantity is still far below the overflow of a 64-bit column.
MAX_MINOR = 10**12


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money. Amounts of one currency can be added and subtracted.

    Example:
        >>> Money(1250, "EUR") - Money(250, "EUR")
        Money(minor=1000, currency='EUR')
    """

    minor: int  # the amount in minor units (cents), negative only in differences
    currency: str  # ISO 4217 code, three capital letters

    def __add__(self, other: Money) -> Money:
        """Add two amounts of one currency; ValueError for two currencies."""
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Subtract an amount of the same currency; ValueError for two currencies."""
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def times(self, quantity: int) -> Money:
        """Return this amount for `quantity` pieces."""
        return Money(self.minor * quantity, self.currency)

    def as_json(self) -> dict[str, int | str]:
        """Return `{"value", "currency"}`, the shape every interface uses."""
        return {"value": self.minor, "currency": self.currency}

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} can't be added: amounts of two currencies")
