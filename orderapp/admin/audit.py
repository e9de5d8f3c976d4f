"""What staff did: the list, and the page of one act."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import abort, url_for
from jinja2.runtime import Context
from markupsafe import Markup, escape
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from orderapp.admin import cells
from orderapp.admin.audit_texts import subject_of, value_of
from orderapp.admin.exportable import Exportable
from orderapp.admin.exporting import order_number, plain
from orderapp.admin.guard import page_at
from orderapp.admin.labels import ACTS, act_in_words
from orderapp.admin.listing import OneOf, order_numbers
from orderapp.admin.time_filters import Moment
from orderapp.domain.keys import read_order_number
from orderapp.models import AuditEntry, Order, Staff
from orderapp.services.db.audit import COMMAND_LINE, TIMER, UNKNOWN
from orderapp.services.db.transactions import reading


def _at(row: AuditEntry) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url_for("audit.page", entry_id=row.id), cells.time_of(row.at))


def _subject(_view: Any, context: Context | None, row: AuditEntry, _name: str) -> Any:
    return subject_of(row, context["order_numbers"].get(row.order_id) if context else None)


class Result(OneOf):
    """The filter by result: done or refused."""

    def apply(self, query: Select[Any], value: str, alias: Any = None) -> Select[Any]:
        """Narrow a statement to the rows that were."""
        return query.where(self.column.is_not(None) if value == "refused" else self.column.is_(None))


class ByActor(OneOf):
    """The filter by actor: the members of staff, and the command line."""

    @property
    def options(self) -> list[tuple[str, str]]:
        """Return their names, read again for each page."""
        with reading() as session:
            names = [
                *session.scalars(select(Staff.email).order_by(Staff.email)),
                COMMAND_LINE.name,
                TIMER.name,
                UNKNOWN.name,
            ]
        return [(name, name) for name in names]

    @options.setter
    def options(self, _fixed: object) -> None:
        """Ignore the options that Flask-Admin sets."""

    def get_options(self, _view: Any) -> None:
        """Return nothing to Flask-Admin, which would ask the database when the application starts."""


def _act(row: AuditEntry) -> Markup:
    return escape(act_in_words(row.act, refused=bool(row.refused)))


def _origin(row: AuditEntry) -> Markup:
    origin = row.network or row.os_user
    return Markup('<bdi class="mono">{}</bdi>').format(origin) if origin else cells.NOTHING


def _result(row: AuditEntry) -> Markup:
    if row.refused:
        return Markup('{}<br><bdi class="prose">{}</bdi>').format(cells.badge("bad", "Refused"), row.refused)
    return cells.badge("ok", "Done")


class AuditView(Exportable):
    """Acts of staff, newest first."""

    column_list = ("at", "actor", "act", "subject", "reason", "refused", "network")
    column_labels = {
        "at": "When",
        "actor": "Who",
        "act": "What",
        "subject": "On what",
        "reason": "Why",
        "refused": "What came of it",
        "network": "From",
    }
    column_formatters = {
        "at": cells.by_row(_at),
        "actor": cells.text,
        "act": cells.by_row(_act),
        "subject": _subject,
        "reason": cells.prose,
        "refused": cells.by_row(_result),
        "network": cells.by_row(_origin),
    }
    search_label = "Order number"
    column_filters = (
        OneOf("act", AuditEntry.act, "What", sorted(ACTS.items(), key=lambda one: one[1])),
        ByActor("actor", AuditEntry.actor, "Who", ()),
        Result("result", AuditEntry.refused, "Result", [("done", "Done"), ("refused", "Refused")]),
        Moment("from", AuditEntry.at, "From"),
        Moment("to", AuditEntry.at, "Up to", up_to=True),
    )
    exported = {
        "id": plain("id"),
        "order": order_number,
        **{name: plain(name) for name in ("at", "actor", "act", "subject", "reason", "refused", "network", "os_user")},
    }
    newest_first = (AuditEntry.at, AuditEntry.id)
    empty_title = "Nobody has done anything yet"

    def search_for(self, text: str) -> ColumnElement[bool]:
        """Find the acts on an order by its number, even as heard; also those on its tasks and mismatches."""
        number = read_order_number(text)
        return AuditEntry.order_id == select(Order.id).where(Order.number == number).scalar_subquery()

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the numbers of the orders that acts are about."""
        return {"order_numbers": order_numbers(session, rows)}

    @page_at("/<int(max=9223372036854775807):entry_id>")
    def page(self, entry_id: int) -> str:
        """Show one act with its details; for a selection, what became of each item."""
        with reading() as session:
            entry = session.get(AuditEntry, entry_id) or abort(404)
            order = session.get(Order, entry.order_id) if entry.order_id else None
        details = json.loads(entry.details)
        page: str = self.render(
            "office/act.html",
            entry=entry,
            act=act_in_words(entry.act, refused=bool(entry.refused)),
            order=order,
            subject=subject_of(entry, order.number if order else None),
            value_of=value_of,
            items=details.pop("items", ()),
            details=details,
        )
        return page
