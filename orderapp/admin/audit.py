"""What staff did: the list, and the page of one act."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import abort, url_for
from jinja2.runtime import Context
from markupsafe import Markup, escape
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from orderapp.admin import cells
from orderapp.admin.audit_texts import subject_of, value_of
from orderapp.admin.guard import page_at
from orderapp.admin.labels import ACTS, act_in_words
from orderapp.admin.listing import Listing, OneOf, order_numbers
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
    words = escape(act_in_words(row.act, refused=bool(row.refused)))
    return Markup("{}<br>{}").format(words, cells.badge("bad", "Refused")) if row.refused else words


class AuditView(Listing):
    """Acts of staff, newest first."""

    column_list = ("at", "actor", "act", "subject", "reason")
    column_labels = {"at": "When (UTC)", "actor": "Who", "act": "What", "subject": "On what", "reason": "Why"}
    column_formatters = {
        "at": cells.by_row(_at),
        "actor": cells.text,
        "act": cells.by_row(_act),
        "subject": _subject,
        "reason": cells.prose,
    }
    column_filters = (
        OneOf("act", AuditEntry.act, "What", sorted(ACTS.items(), key=lambda one: one[1])),
        ByActor("actor", AuditEntry.actor, "Who", ()),
        Result("result", AuditEntry.refused, "Result", [("done", "Done"), ("refused", "Refused")]),
    )
    newest_first = (AuditEntry.at, AuditEntry.id)
    empty_title = "Nobody has done anything yet"

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
