"""Mismatches that reconciliation found, and the order to correct one or many of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy.orm import Session

from orderapp.admin import cells, selecting, who
from orderapp.admin.exportable import Exportable
from orderapp.admin.exporting import order_number, plain
from orderapp.admin.guard import act_at
from orderapp.admin.listing import OneOf, OneSystem, choices, order_numbers
from orderapp.admin.mismatch_texts import CORRECTIONS, KINDS
from orderapp.admin.selecting import BulkAct
from orderapp.admin.tabbed_listing import TabbedListing
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import MismatchState
from orderapp.domain.verbs import Verb
from orderapp.models import Mismatch, Role
from orderapp.services.backoffice import previews
from orderapp.services.backoffice.corrections import objection_to_correction, order_corrections
from orderapp.services.backoffice.previews import Preview
from orderapp.services.reconciliation.compare import Correction
from orderapp.services.reconciliation.runs import last_reconciliation
from orderapp.systems.base import System

COMPARED = Markup('<span class="prose">Our ledger: {}<br>It says: {}</span>')


def _what(row: Mismatch) -> Markup:
    what = Markup('{}: {}<br><span class="mono muted">{}</span>')
    return what.format(system_title(row.system), row.kind, row.key)


def _state(row: Mismatch) -> Markup:
    return cells.badge(row.state) + (Markup("<br>") + cells.task_link(row.task_id) if row.task_id else "")


def _seen(row: Mismatch) -> Markup:
    last = cells.time_of(row.last_seen_at)
    if row.seen == 1:
        return last
    return last + Markup('<br><span class="muted">{} times since {}</span>').format(
        row.seen, cells.time_of(row.found_at)
    )


def _preview(ids: Sequence[int]) -> Preview:
    return previews.preview_corrections(ids, current_settings())


CORRECTION = BulkAct(
    "Correct",
    "mismatch",
    "mismatches.correct",
    "Each is put right by a task like any other, if its order is still as it was found.",
    _preview,
)


class MismatchesView(Exportable, TabbedListing):
    """Mismatches, newest first."""

    list_template = "office/mismatches.html"
    state_texts = {state: state.value.capitalize() for state in MismatchState}
    column_formatters = {
        "order_id": cells.order,
        "kind": cells.by_row(_what),
        "ours": cells.by_row(lambda row: COMPARED.format(row.ours, row.theirs)),
        "correction": cells.by_row(lambda row: CORRECTIONS[Correction(row.correction)]),
        "state": cells.by_row(_state),
        "last_seen_at": cells.by_row(_seen),
    }
    column_list = tuple(column_formatters)
    column_labels = {
        "order_id": "Order",
        "kind": "What",
        "ours": "Compared",
        "correction": "Correction",
        "last_seen_at": "Last seen",
    }
    column_filters = (
        OneOf("state", Mismatch.state, "State", choices(MismatchState)),
        OneOf("kind", Mismatch.kind, "What", [(kind.value, text) for kind, text in KINDS.items()]),
        OneSystem("system", Mismatch.system, lambda one: isinstance(one, System) and one.can(Verb.ASK)),
    )
    exported = {
        "id": plain("id"),
        "order": order_number,
        **{name: plain(name) for name in ("system", "key", "kind", "ours", "theirs", "correction", "state", "seen")},
        **{name: plain(name) for name in ("found_at", "last_seen_at", "gone_at")},
    }
    newest_first = (Mismatch.id,)
    empty_title = "No such mismatches"

    def further_values(self, session: Session, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the orders' numbers, the mismatches of each tab under the same filters, and the last run."""
        return {
            "order_numbers": order_numbers(session, rows),
            "tabs": self.tabs(session),
            "last": last_reconciliation(session),
            "objection": lambda mismatch: objection_to_correction(mismatch, current_settings().systems),
            "may_act": who.member().may(Role.OPERATOR),
        }

    @act_at("/preview", Role.OPERATOR)
    def preview(self) -> ResponseReturnValue:
        """Show what correction would do to the chosen mismatches."""
        return self._show(selecting.chosen("mismatch"))

    @act_at("/correct", Role.OPERATOR, "mismatch.correct")
    def correct(self) -> ResponseReturnValue:
        """Order the correction of the mismatches that were shown."""
        reason, actor, despite = request.form.get("reason", ""), who.member().actor, selecting.despite()
        return selecting.done(
            "mismatch", lambda ids: order_corrections(ids, actor, reason, current_settings(), despite), self._show
        )

    def _show(self, ids: Sequence[int], **kept: Any) -> ResponseReturnValue:
        return selecting.show(partial(self.render, title_of=system_title), CORRECTION, ids, **kept)
