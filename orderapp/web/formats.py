"""Money and times as people read them."""

from __future__ import annotations

import datetime as dt

from orderapp.config import current_settings
from orderapp.domain.money import Money
from orderapp.web.language import current, declared


def amount_text(amount: Money) -> str:
    """Return an amount in the page's language: "€12.50"."""
    return current().amount(amount)


def moment(at: dt.datetime) -> str:
    """Return a time in the page's language and the shop's zone: "22 Nov 2026, 21:03:05 UTC"."""
    return current().moment(at, current_settings().time_zone)


def day(at: dt.datetime) -> str:
    """Return the day of a time in the page's language and the shop's zone: "22 November 2026"."""
    return current().day(at, current_settings().time_zone)


def duration(seconds: int) -> str:
    """Return how long to wait, rounded up, in the page's language: "1 second", "10 minutes", "3 hours"."""
    return current().duration(seconds)


def system_title(name: str) -> str:
    """Return what customers call a system, in the page's language."""
    return declared(current_settings().systems.title_of(name))
