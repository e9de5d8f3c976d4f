"""Acts on rows that were chosen: shown first with what is left out, then done to exactly the rows that were shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from orderapp.admin.acting import sentence_of
from orderapp.admin.addresses import local_page
from orderapp.errors import InvalidRequest
from orderapp.services.backoffice.bulk import Selection, plural
from orderapp.services.backoffice.previews import Preview
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import MAX_REASON_CHARACTERS

MAX_ID_CHARACTERS = 18  # every number of this length fits into an id's column


@dataclass(frozen=True, slots=True)
class BulkAct:
    """An act on chosen rows, as staff read it."""

    verb: str  # what is done, before the number: "Correct"
    noun: str  # what is chosen, in the form's field and in words: "mismatch"
    endpoint: str  # where it is done
    consequence: str  # what follows
    preview: Callable[[Sequence[int]], Preview]  # says what it would do to some rows

    def title(self, number: int) -> str:
        """Return what is done to so many: "Correct 12 mismatches"."""
        return f"{self.verb} {number:,} {self.noun if number == 1 else plural(self.noun)}"


def chosen(noun: str) -> list[int]:
    """Return the ids that a form sends; 400 where one can't be an id."""
    texts = request.form.getlist(noun)
    if not all(text.isascii() and text.isdecimal() and len(text) <= MAX_ID_CHARACTERS for text in texts):
        abort(400)
    return [int(text) for text in texts]


def despite() -> Risk | None:
    """Return the risk that the form's page has shown, or None; 400 where there is no such risk."""
    try:
        return Risk(request.form["despite"]) if request.form.get("despite") else None
    except ValueError:
        abort(400)


def show(render: Callable[..., str], bulk: BulkAct, ids: Sequence[int], **more: Any) -> ResponseReturnValue:
    """Show what an act would do to these rows, which it leaves out and why. Changes nothing."""
    back = local_page(request.form.get("back") or more.get("back"))
    try:
        preview = bulk.preview(ids)
    except InvalidRequest as error:
        flash(sentence_of(error), "error")
        return redirect(back, 303)
    return render("office/preview.html", bulk=bulk, preview=preview, **{**more, "back": back})


def done(
    noun: str,
    do: Callable[[Sequence[int]], Selection],
    show_again: Callable[..., ResponseReturnValue] | None = None,
) -> ResponseReturnValue:
    """Do an act to the rows that the form names; then lead to the page before, or to each row's result.

    Args:
        noun: What is chosen.
        do: Does it.
        show_again: Shows these rows as `show` did, with what is wrong in the form that it had shown.
    """
    back, ids = local_page(request.form.get("back")), chosen(noun)
    try:
        selection = do(ids)
    except InvalidRequest as error:
        if show_again is not None and "previewed" in request.form and ids:
            reason = "".join(one for one in request.form.get("reason", "") if one.isprintable())
            kept = {"problem": sentence_of(error), "reason_given": reason[:MAX_REASON_CHARACTERS]}
            answer = show_again(ids, **kept)
            return (answer, 400) if isinstance(answer, str) else answer
        flash(sentence_of(error), "error")
        return redirect(back, 303)
    if selection.audit_id is not None:
        return redirect(url_for("audit.page", entry_id=selection.audit_id), 303)
    if len(selection.items) > 1:
        flash(f"None of the {len(selection.items)} could be done; too many of your acts were refused of late.", "error")
        return redirect(back, 303)
    for item in selection.items:
        flash(item.text, "success" if item.done else "error")
    return redirect(back, 303)
