"""Mismatches that reconciliation found, and the order to correct one or many of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from jinja2.runtime import Context
from markupsafe import Markup, escape
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.admin import cells, selecting, who
from orderapp.admin.guard import act_at
from orderapp.admin.listing import Listing, OneOf, OneSystem, choices
from orderapp.admin.mismatch_texts import CORRECTIONS, KINDS
from orderapp.admin.selecting import BulkAct
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import MismatchState
from orderapp.domain.verbs import Verb
from orderapp.models import Mismatch, Order, Role, holds
from orderapp.services.backoffice import previews
from orderapp.services.backoffice.corrections import objection_to_correction, order_corrections
from orderapp.services.backoffice.previews import Preview
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.reconciliation.compare import Correction
from orderapp.services.reconciliation.runs import last_reconciliation


def _order(_view: Any, context: Context | None, row: Mismatch, _name: str) -> Any:
    return cells.order_link(context["order_numbers"][row.order_id] if context else "")


def _what(_view: Any, _context: Context | None, row: Mismatch, _name: str) -> Any:
    key = Markup('<br><span class="mono muted">{}</span>').format(row.key)
    return cells.system(_view, _context, row, "system") + Markup(": {}").format(row.kind) + key


def _words(_view: Any, _context: Context | None, row: Mismatch, _name: str) -> Any:
    return Markup('<span class="prose">Our ledger: {}<br>It says: {}</span>').format(row.ours, row.theirs)


def _state(_view: Any, _context: Context | None, row: Mismatch, _name: str) -> Any:
    task = Markup("<br>") + cells.task_link(row.task_id) if row.task_id else ""
    return cells.badge(row.state) + task


def _seen(_view: Any, _context: Context | None, row: Mismatch, _name: str) -> Any:
    last = cells.time_of(row.last_seen_at)
    if row.seen == 1:
        return last
    return last + Markup('<br><span class="muted">{} times since {}</span>').format(
        row.seen, cells.time_of(row.found_at)
    )


def _correction(_view: Any, _context: Context | None, row: Mismatch, _name: str) -> Any:
    return escape(CORRECTIONS[Correction(row.correction)])


def _preview(ids: Sequence[int]) -> Preview:
    return previews.preview_corrections(ids, current_settings())


CORRECTION = BulkAct(
    "Correct",
    "mismatch",
    "mismatches.correct",
    "Each is put right by a task like any other, if its order is still as it was found.",
    _preview,
)


class MismatchesView(Listing):
    """Mismatches, newest first."""

    list_template = "office/mismatches.html"
    column_formatters = {
        "order_id": _order,
        "kind": _what,
        "ours": _words,
        "correction": _correction,
        "state": _state,
        "last_seen_at": _seen,
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "order_id": "Order",
        "kind": "What",
        "ours": "Compared",
        "correction": "Correction",
        "last_seen_at": "Last seen (UTC)",
    }
    column_filters = (
        OneOf("state", Mismatch.state, "State", choices(MismatchState)),
        OneOf("kind", Mismatch.kind, "What", [(kind.value, text) for kind, text in KINDS.items()]),
        OneSystem("system", Mismatch.system, lambda system: system.can(Verb.ASK)),
    )
    newest_first = (Mismatch.id,)
    empty_title = "No such mismatches"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the orders' numbers, the mismatches of each tab under the same filters, and the last run."""
        numbers = session.execute(select(Order.id, Order.number).where(Order.id.in_({row.order_id for row in rows})))
        return {
            "order_numbers": {row.id: row.number for row in numbers},
            "tabs": self._tabs(session),
            "last": last_reconciliation(session),
            "objection": lambda mismatch: objection_to_correction(mismatch, current_settings().systems),
            "may_act": who.member().may(Role.OPERATOR),
        }

    @act_at("/preview", Role.OPERATOR)
    def preview(self) -> ResponseReturnValue:
        """Show what correction would do to the chosen mismatches."""
        return selecting.show(self._render, CORRECTION, selecting.chosen("mismatch"))

    @act_at("/correct", Role.OPERATOR, "mismatch.correct")
    def correct(self) -> ResponseReturnValue:
        """Order the correction of the mismatches that were shown."""
        reason, actor, despite = request.form.get("reason", ""), who.member().actor, selecting.despite()
        return selecting.done(
            self._render, CORRECTION, lambda ids: order_corrections(ids, actor, reason, current_settings(), despite)
        )

    def _render(self, template: str, **values: Any) -> str:
        return self.render(template, title_of=system_title, **values)

    def _tabs(self, session: Session) -> list[tuple[str, str, Count | None, bool]]:
        """Return address, text, count and whether it is the present one, for each state."""
        chosen = self._get_filters(self._get_list_extra_args().filters)
        kept: dict[str, Any] = {name: value for name, value in chosen.items() if name != "state"}
        wanted = [holds(getattr(Mismatch, name), value) for name, value in kept.items()]
        counts = capped(
            session,
            {one: select(Mismatch.id).where(holds(Mismatch.state, one.value), *wanted) for one in MismatchState},
        )
        present = request.args.get("state") or None
        tabs: list[tuple[str, str, Count | None, bool]] = [
            (url_for(".index_view", state=one.value, **kept), one.value.capitalize(), counts[one], present == one.value)
            for one in MismatchState
        ]
        return [*tabs, (url_for(".index_view", **kept), "All", None, present is None)]
