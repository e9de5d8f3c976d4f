"""Records that staff took a list of rows out of the back office."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing

log = structlog.get_logger()


def record_export(actor: Actor, noun: str, form: str, narrowed_by: Mapping[str, str]) -> None:
    """Record an export before its first row leaves.

    Transaction: one, committed here.
    If we die here: the export is recorded, although not all of it left.

    Args:
        actor: Who exports.
        noun: What is exported, such as `orders`.
        form: The form of the file: csv or jsonl.
        narrowed_by: The search, the filters and the order, by their names in the address.
    """
    with writing() as session:
        details = {"format": form} | ({"narrowed_by": dict(narrowed_by)} if narrowed_by else {})
        audit.write(session, actor, Act("list.export", noun, details=details))
    log.info("rows.exported", what=noun, format=form, by=actor.staff_id)
