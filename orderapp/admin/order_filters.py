"""The filters of the list of orders: what they need, where they are open, when they were placed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select

from orderapp.admin.listing import OneOf, OneSystem
from orderapp.admin.time_filters import Moment
from orderapp.config import current_settings
from orderapp.models import Order, db_now
from orderapp.services.backoffice.lanes import WINDOW_DAYS, Lane, has_open_task, is_in, kept_systems
from orderapp.services.db.transactions import reading

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
