"""What was entered in a list's form whose act was refused: it comes back with the list, once."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, session

from orderapp.admin.listing import PAGE_SIZE
from orderapp.services.audit import MAX_REASON_CHARACTERS

# It goes into a cookie, which holds 4,000 characters: one form, a page's rows, a reason.
_NAME = "refused-selection"
MAX_ID_CHARACTERS = 18


@dataclass(frozen=True, slots=True)
class KeptForm:
    """The rows that were chosen, and the reason."""

    chosen: frozenset[int] = frozenset()
    reason: str = ""


def keep(field: str) -> None:
    """Keep the form of this request, whose rows were chosen by a field, for the list that is shown next."""
    texts = request.form.getlist(field)[:PAGE_SIZE]
    chosen = [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= MAX_ID_CHARACTERS]
    reason = "".join(one for one in request.form.get("reason", "")[:MAX_REASON_CHARACTERS] if one.isprintable())
    session[_NAME] = [field, chosen, reason]


def take(field: str) -> KeptForm:
    """Return what was kept and forget it; an empty form where there was nothing."""
    of, chosen, reason = session.pop(_NAME, ("", (), ""))
    return KeptForm(frozenset(chosen), reason) if of == field else KeptForm()
