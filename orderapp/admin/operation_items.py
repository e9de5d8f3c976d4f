"""The tasks of one operation, with what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, request
from markupsafe import Markup
from sqlalchemy import Select
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from orderapp.admin import cells
from orderapp.admin.exportable import Exportable
from orderapp.admin.exporting import plain
from orderapp.admin.labels import ITEM_STATES
from orderapp.admin.listing import Code, OneOf
from orderapp.admin.tabbed_listing import TabbedListing
from orderapp.domain.states import ItemState
from orderapp.models import OperationItem

MAX_DIGITS = 18  # every number of this length fits into an id's column


class OneOperation(Code):
    """The filter by the number of an operation."""

    def validate(self, value: str) -> bool:
        """Return whether the value can be an operation's number."""
        return value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the items of one operation."""
        return query.where(self.column == int(value))


def _state(row: OperationItem) -> Markup:
    return cells.badge(*ITEM_STATES[ItemState(row.state)])


def _order(row: OperationItem) -> Markup:
    return cells.order_link(row.order_number) if row.order_number else cells.NOTHING


class OperationItemsView(Exportable, TabbedListing):
    """The items of one operation, newest tasks first."""

    list_template = "office/operation_items.html"
    state_texts = {state: text for state, (_, text) in ITEM_STATES.items()}
    column_formatters = {
        "task_id": cells.by_row(lambda row: cells.task_link(row.task_id, f"{row.kind.capitalize()} {row.task_id}")),
        "order_number": cells.by_row(_order),
        "system": cells.system,
        "state": cells.by_row(_state),
        "said": cells.prose,
        "acted_at": cells.moment,
        "ended_at": cells.moment,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "task_id": "Task",
        "order_number": "Order",
        "state": "What became of it",
        "said": "Last said",
        "acted_at": "Its turn",
        "ended_at": "Known since",
    }
    column_filters = (
        OneOperation("operation", OperationItem.operation_id, "Operation"),
        OneOf("state", OperationItem.state, "State", [(state.value, text) for state, text in state_texts.items()]),
    )
    exported = {name: plain(name) for name in ("operation_id", "task_id", "order_number", "kind", "system")} | {
        name: plain(name) for name in ("state", "said", "acted_at", "ended_at")
    }
    newest_first = (OperationItem.id,)
    empty_title = "No such tasks"

    def is_visible(self) -> bool:
        """Return False: the pages of operations lead here."""
        return False

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return how many items each tab has, but for tabs without any, and whose they are."""
        tabs = [tab for tab in self.tabs(session) if tab[2] is None or tab[2] or tab[3]]
        return {"tabs": tabs, "operation_id": int(request.args["operation"])}

    def _known_filters(self, args: MultiDict[str, str]) -> list[tuple[int, str, str]]:
        if not args.get("operation"):
            abort(404)
        return super()._known_filters(args)
