"""The filters of the list of orders: what they need, where they are open, when they were placed, what they cost."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

from flask_admin.contrib.sqla.filters import FilterEqual
from sqlalchemy import Select, false, or_, select, true

from orderapp.admin.listing import OneOf, OneSystem
from orderapp.admin.time_filters import Moment
from orderapp.config import current_settings
from orderapp.currencies import minor_digits
from orderapp.models import Order, Product, db_now
from orderapp.services.backoffice.lanes import WINDOW_DAYS, Lane, has_open_task, is_in, kept_systems
from orderapp.services.db.transactions import reading

AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,3})?")
NOT_RIGHT = "any"
NEEDS = {
    NOT_RIGHT: "Not right yet",
    Lane.STAFF.value: "Needs you",
    Lane.WAITS.value: "Waits for a system",
    Lane.HEALS.value: "Heals by itself",
}
OLDER = "older"
_DAYS = {"24h": 1, "7d": 7, "30d": WINDOW_DAYS}
PLACED = {"24h": "In the last 24 hours", "7d": "In the last 7 days", "30d": "In the last 30 days", OLDER: "Before that"}


class Needs(OneOf):
    """The filter by what orders that aren't right need."""

    def __init__(self) -> None:
        super().__init__("needs", Order.id, "Needs", list(NEEDS.items()))

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the orders that need it."""
        systems = current_settings().systems
        with reading() as session:
            kept = kept_systems(session, systems)
        lanes = list(Lane) if value == NOT_RIGHT else [Lane(value)]
        return query.where(is_in(lanes, systems, kept))


class OpenAt(OneSystem):
    """The filter by system: orders with a task of it that isn't done."""

    def __init__(self) -> None:
        super().__init__("system", Order.id)

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the orders that have one."""
        return query.where(has_open_task(value, narrowed=query.whereclause is not None))


class Placed(OneOf):
    """The filter by the time of the order."""

    def __init__(self) -> None:
        super().__init__("placed", Order.created_at, "Ordered", list(PLACED.items()))

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the orders placed in it."""
        if value == OLDER:
            return query.where(Order.created_at < db_now(-WINDOW_DAYS * 86_400))
        return query.where(Order.created_at >= db_now(-_DAYS[value] * 86_400))


WHEN = (
    Moment("from", Order.created_at, "Ordered from"),
    Moment("to", Order.created_at, "Ordered up to", up_to=True),
)


class Amount(FilterEqual):  # type: ignore[misc]  # Flask-Admin has no types
    """A filter `?<arg>=19.99` by the total, in whatever currency: orders from that amount on, or up to it."""

    def __init__(self, arg: str, name: str, *, up_to: bool = False) -> None:
        super().__init__(Order.total_minor, name)
        self.arg, self._up_to = arg, up_to

    def validate(self, value: str) -> bool:
        """Return whether the value is an amount."""
        return AMOUNT.fullmatch(value) is not None

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the orders of that total."""
        by_digits = defaultdict[int, list[str]](list)
        with reading() as session:
            for currency in session.scalars(select(Product.currency).distinct()):
                by_digits[minor_digits(currency)].append(currency)
        parts = []
        for digits, currencies in by_digits.items():
            minor = int(Decimal(value).scaleb(digits))
            # Where all currencies have as many digits, the index of totals alone answers.
            own = Order.currency.in_(currencies) if len(by_digits) > 1 else true()
            parts.append(own & (Order.total_minor <= minor if self._up_to else Order.total_minor >= minor))
        return query.where(or_(false(), *parts))


HOW_MUCH = (Amount("least", "Total from"), Amount("most", "Total up to", up_to=True))
