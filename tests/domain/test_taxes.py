from decimal import Decimal

import pytest

from orderapp.domain.money import Money
from orderapp.domain.taxes import included_in


@pytest.mark.parametrize(
    ("total", "percent", "tax"), [(11900, "19", 1900), (100, "19", 16), (1000, "8.1", 75), (0, "19", 0), (999, "0", 0)]
)
def test_a_total_contains_its_tax_rounded_to_the_minor_unit(total: int, percent: str, tax: int) -> None:
    assert included_in(Money(total, "EUR"), Decimal(percent)) == Money(tax, "EUR")
