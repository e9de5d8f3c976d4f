import datetime as dt

import pytest

from orderapp.currencies import amount_text
from orderapp.domain.money import Money
from orderapp.web import formats


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(1250, "EUR"), "€12.50"),
        (Money(500, "JPY"), "¥500"),
        (Money(1234, "KWD"), "KWD1.234"),
        (Money(0, "USD"), "$0.00"),
        (Money(10**12 + 1, "EUR"), "€10,000,000,000.01"),
    ],
)
def test_money_is_written_with_its_currency_s_own_decimals(amount, text):
    assert amount_text(amount) == text


def test_times_are_told_in_utc(app):
    at = dt.datetime(2026, 11, 2, 23, 3, 5, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    with app.app_context():
        assert formats.moment(at) == "2 Nov 2026, 21:03:05 UTC"
