"""The acts on several tasks at once, as staff read them."""

from __future__ import annotations

from collections.abc import Sequence

from flask import abort

from orderapp.admin.selecting import BulkAct
from orderapp.config import current_settings
from orderapp.models import Resolution
from orderapp.services.backoffice import previews
from orderapp.services.backoffice.previews import Preview


def _requeue(ids: Sequence[int]) -> Preview:
    return previews.preview_requeue(ids, current_settings())


def _happened(ids: Sequence[int]) -> Preview:
    return previews.preview_mark(ids, Resolution.HAPPENED, current_settings())


def _not_happened(ids: Sequence[int]) -> Preview:
    return previews.preview_mark(ids, Resolution.NOT_HAPPENED, current_settings())


ACTS = {
    "requeue": BulkAct(
        "Requeue",
        "task",
        "tasks.requeue",
        "They are due at once, with fresh attempts. What was tried stays in the history.",
        _requeue,
        calls=True,
    ),
    Resolution.HAPPENED.value: BulkAct(
        "Mark as happened:",
        "task",
        "tasks.mark",
        "Mark only what you have found out elsewhere. What was to be done isn't done again; what was to be given back "
        "is given back now. Your mark stays with the order until something proves or disproves it.",
        _happened,
        {"resolution": Resolution.HAPPENED.value},
    ),
    Resolution.NOT_HAPPENED.value: BulkAct(
        "Mark as not happened:",
        "task",
        "tasks.mark",
        "Mark only what you have found out elsewhere. What was to be done is tried again at once; what was to be given "
        "back counts as given back. Your mark stays with the order until something proves or disproves it.",
        _not_happened,
        {"resolution": Resolution.NOT_HAPPENED.value},
    ),
    "cancel": BulkAct(
        "Give up",
        "task",
        "tasks.cancel",
        "Nobody tries them any more. What is owed, or may still be held, stays on the first page.",
        previews.preview_cancel,
        button="btn-danger",
    ),
}


def bulk_act(name: str) -> BulkAct:
    """Return an act by its name in forms; 400 where there is none."""
    return ACTS.get(name) or abort(400)
