"""The filters of lists by time."""

from __future__ import annotations

from typing import Any

from flask_admin.contrib.sqla.filters import FilterEqual
from sqlalchemy import Select, literal

from orderapp.admin import zones


class Moment(FilterEqual):  # type: ignore[misc]  # Flask-Admin has no types
    """A filter `?<arg>=2026-05-01` or `...T13:30`, by the reader's clock: rows from then on, or up to then."""

    input_type = "datetime-local"

    def __init__(self, arg: str, column: Any, name: str, *, up_to: bool = False) -> None:
        super().__init__(column, name)
        self.arg, self._up_to = arg, up_to

    def validate(self, value: str) -> bool:
        """Return whether the value is a day or a time."""
        try:
            zones.read(value)
        except ValueError:
            return False
        return True

    def shown(self, value: str) -> str:
        """Return the value as its field has it, by the reader's clock."""
        return zones.typed(zones.read(value))

    def lasting(self, value: str) -> str:
        """Return the value in UTC, the same for every reader."""
        return f"{zones.read(value):%Y-%m-%dT%H:%MZ}"

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the rows of that time."""
        at = literal(zones.read(value), self.column.type)
        return query.where(self.column <= at if self._up_to else self.column >= at)
