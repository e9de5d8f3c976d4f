"""What staff did: the list, and the page of one act."""

from __future__ import annotations

import json
from typing import Any

from flask import abort, url_for
from jinja2.runtime import Context
from markupsafe import Markup

from orderapp.admin import cells
from orderapp.admin.guard import page_at
from orderapp.admin.listing import Listing
from orderapp.admin.words import act_in_words
from orderapp.models import AuditEntry, Order
from orderapp.services.database import reading


def _at(_view: Any, _context: Context | None, row: AuditEntry, _name: str) -> Any:
    return Markup('<a href="{}">{}</a>').format(url_for("audit.page", entry_id=row.id), cells.time_of(row.at))


def _act(_view: Any, _context: Context | None, row: AuditEntry, _name: str) -> Any:
    return act_in_words(row.act)


class AuditView(Listing):
    """Acts of staff, newest first."""

    column_list = ("at", "actor", "act", "subject", "reason")
    column_labels = {"at": "When (UTC)", "actor": "Who", "act": "What", "subject": "On what", "reason": "Why"}
    column_formatters = {
        "at": _at,
        "actor": cells.text,
        "act": _act,
        "subject": cells.text,
        "reason": cells.prose,
    }
    newest_first = (AuditEntry.at, AuditEntry.id)
    empty_title = "Nobody has done anything yet"

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
            act=act_in_words(entry.act),
            order=order,
            items=details.pop("items", ()),
            details=details,
        )
        return page
