"""The texts of an act in the audit: its subject, with a link, and its details."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import url_for
from markupsafe import Markup, escape

from orderapp.admin import cells
from orderapp.admin.labels import CIRCUITS, MODES, TASK_STATES
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.models import AuditEntry, CircuitState

# Values of details that staff see under another name, by the part of an act's name before the dot.
VALUES: Mapping[str, Mapping[str, str]] = {
    "system": {
        **{mode.value: text for mode, text in MODES.items()},
        **{circuit.value: text for circuit, text in CIRCUITS.items()},
        CircuitState.CLOSED.value: "Closed",
    },
    "task": {state.value: text for state, text in TASK_STATES.items()},
}


def subject_of(entry: AuditEntry, order_number: str | None) -> Markup:
    """Return the subject of an act under the name that people know, as a link if it has a page.

    Args:
        entry: The act.
        order_number: The number of the act's order, if it is about one.
    """
    details: Mapping[str, Any] = json.loads(entry.details)
    kind, _, name = entry.subject.rpartition(" ")
    if kind == "task" and name.isdecimal():
        return cells.task_link(int(name))
    if kind == "mismatch" and order_number:
        page = url_for("orders.page", number=order_number, _anchor=f"mismatch-{name}")
        return Markup('<a href="{}">Mismatch {}</a>').format(page, name)
    if kind == "order":
        return Markup("Order ") + cells.order_link(name)
    if kind == "operation" and name.isdecimal():
        page = url_for("task_operations.page", operation_id=int(name))
        return Markup('<a href="{}">Operation {}</a>').format(page, name)
    if kind == "system":
        # A system that is gone has no page.
        page = url_for("systems.page", name=name) if name in current_settings().systems else url_for("admin.index")
        after = VALUES["system"].get(str(details.get("after")))
        return Markup('<a href="{}">{}</a>').format(page, system_title(name)) + (f": {after}" if after else "")
    if kind == "staff":
        # The subject of logging in and out is the member of staff who does it.
        role = details.get("after") or details.get("role")
        account = Markup("<bdi>{}</bdi>").format(details.get("email") or entry.actor)
        return account + (f": {str(role).capitalize()}" if role else "")
    if client := details.get("client"):
        return Markup("API client <bdi>{}</bdi>").format(client)
    return escape(entry.subject)


def value_of(act: str, value: Any) -> str:
    """Return one of an act's details in words."""
    words = VALUES.get(act.partition(".")[0], {})
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')}: {words.get(str(part), part)}" for key, part in value.items())
    return str(words.get(str(value), value))
