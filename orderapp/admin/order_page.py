"""The page of one order: the verdict, the customer, the effects, all that happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app

from orderapp.admin import moments, personal_data
from orderapp.admin.effect_ledger import ledger_of
from orderapp.admin.errands import errand_of
from orderapp.admin.histories import history_of
from orderapp.admin.holdup_texts import why_it_waits
from orderapp.admin.labels import duration
from orderapp.admin.mismatch_texts import CORRECTIONS, beside, consequence_of
from orderapp.admin.next_acts import next_act_of
from orderapp.admin.time_axis import axis_of
from orderapp.admin.titles import input_label, input_shown, system_title
from orderapp.admin.verdicts import verdict_of, why_stopped
from orderapp.config import current_settings
from orderapp.domain.customers import masked_email
from orderapp.services.backoffice.case_files import OrderFile
from orderapp.services.backoffice.corrections import objection_to_correction
from orderapp.services.orders.views import OrderView


def values_of(file: OrderFile, *, revealed: bool) -> dict[str, Any]:
    """Return what the template of an order's page needs; the customer's data masked unless `revealed`."""
    entries = history_of(file)
    return {
        "file": file,
        "order": file.view,
        "verdict": beside(verdict_of(file), file.mismatches),
        "next_act": next_act_of(file),
        "customer": _customers_side(file.view),
        "person": file.view.customer if revealed else personal_data.masked(file.view.customer),
        "corrected_to": _corrected_to(file.view, revealed),
        "ledger": ledger_of(file),
        "entries": entries,
        "axis": axis_of(entries),
        "corrections": CORRECTIONS,
        "consequence_of": consequence_of,
        "objection_to_correction": lambda mismatch: objection_to_correction(mismatch, current_settings().systems),
        "why_it_waits": lambda task: why_it_waits(task, file.holdups),
        "why_stopped": why_stopped,
        "errand_of": errand_of,
        "title_of": system_title,
        "label_of_input": input_label,
        "shown_of_input": input_shown,
        "clock": lambda moment: moments.at(moment, file.now),
        "ago": lambda moment: moments.ago(moment, file.now),
        "duration": duration,
    }


def _corrected_to(order: OrderView, revealed: bool) -> str:
    """Return the address that the customer has corrected to, as the reader may see it; empty if it wasn't corrected."""
    if order.mail_to == order.customer.email:
        return ""
    return order.mail_to if revealed else masked_email(order.mail_to)


def _customers_side(order: OrderView) -> Mapping[str, str] | None:
    """Return what the customer of an order of the shop sees now, where, and a reply to send; None for API orders."""
    if order.client_id is not None:
        return None
    # The shop gives it, in the same words as its page; the rooms of the two don't import each other.
    story, address = current_app.jinja_env.globals["seen_by_customer"](order)  # type: ignore[operator]
    told = [f"{story.title}.", *story.paragraphs]
    reply = [f"Hello {order.customer.name},", f"about your order {order.number}:", " ".join(told)]
    reply += [f"You can follow it here: {address}", "Kind regards"]
    return {"title": story.title, "text": " ".join(story.paragraphs), "address": address, "reply": "\n\n".join(reply)}
