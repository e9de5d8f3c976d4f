"""Lists with a tab for each state; a tab counts what its state and the other filters let through."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from flask import request, url_for
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from orderapp.admin.listing import Listing
from orderapp.models import holds
from orderapp.services.db.capped_counts import Count, capped


class TabbedListing(Listing):
    """A list of rows that have a state."""

    #: The states in the order of their tabs, each with what staff call it.
    state_texts: ClassVar[Mapping[StrEnum, str]]

    def rows_in(self, state: StrEnum) -> Select[int]:
        """Return the statement of the ids in a state that the other filters let through."""
        return self.narrowed(select(self.model.id).where(holds(self.model.state, state.value)), but="state")

    def tabs(self, session: Session) -> list[tuple[str, str, Count | None, bool]]:
        """Return address, text, count and whether it is the present one, for each state and for all together."""
        kept, present = self.kept_filters(), request.args.get("state") or None
        counts = capped(session, {state: self.rows_in(state) for state in self.state_texts})
        return [
            *(
                (url_for(".index_view", state=state.value, **kept), text, counts[state], present == state.value)
                for state, text in self.state_texts.items()
            ),
            (url_for(".index_view", **kept), "All", None, present is None),
        ]

    def kept_filters(self) -> dict[str, Any]:
        """Return the filters besides the state; what isn't known as one is refused."""
        chosen = self._get_filters(self._get_list_extra_args().filters)
        return {name: value for name, value in chosen.items() if name != "state"}
