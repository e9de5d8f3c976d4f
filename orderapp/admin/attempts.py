"""Two attempts side by side: what differs in what was sent and answered."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from orderapp.admin.errands import call_of
from orderapp.admin.guard import Guarded, page_at
from orderapp.services.backoffice.case_files import AttemptFile, find_attempts

MAX_ID_CHARACTERS = 18  # every number of this length fits into an id's column
# Words, numbers and single signs: what a reader compares. A run of blanks is one.
PIECE = re.compile(r"\s+|\w+|[^\w\s]")
MOST_PIECES = 2_000  # of each side; comparing takes their product at worst


class AttemptsView(Guarded):
    """Attempts, beside the pages of orders and tasks that list them."""

    def is_visible(self) -> bool:
        """Return False: pages of orders and tasks lead here."""
        return False

    @page_at("/")
    def compare(self) -> ResponseReturnValue:
        """Show two attempts of one order or task, the older one left."""
        texts = request.args.getlist("attempt")
        known = all(text.isascii() and text.isdecimal() and len(text) <= MAX_ID_CHARACTERS for text in texts)
        ids = sorted({int(text) for text in texts}) if known else []
        if len(ids) != 2 or set(request.args) != {"attempt"}:
            return self.render("office/compare.html", pair=None), 400
        files = find_attempts(ids)
        sent, answered = _marked(files, "request"), _marked(files, "response")
        page: str = self.render(
            "office/compare.html", pair=[_side(*one) for one in zip(files, sent, answered, strict=True)]
        )
        return page


def _side(file: AttemptFile, sent: Markup, answered: Markup) -> dict[str, Any]:
    attempt = file.attempt
    return {"file": file, "attempt": attempt, "what": call_of(attempt.verb, attempt.system), "sent": sent,
            "answered": answered}  # fmt: skip


def _marked(files: Sequence[AttemptFile], part: str) -> tuple[Markup, Markup]:
    """Return both texts, with what only one of them has marked."""
    left, right = (
        "\n\n".join(str(exchange[part]) for exchange in json.loads(file.attempt.exchanges)) for file in files
    )
    ours, theirs = PIECE.findall(left)[:MOST_PIECES], PIECE.findall(right)[:MOST_PIECES]
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    return (
        Markup("").join(_piece("".join(ours[a:b]), same=how == "equal") for how, a, b, _, _ in blocks),
        Markup("").join(_piece("".join(theirs[a:b]), same=how == "equal") for how, _, _, a, b in blocks),
    )


def _piece(text: str, *, same: bool) -> Markup:
    if not text:
        return Markup("")
    return Markup("{}").format(text) if same else Markup("<mark>{}</mark>").format(text)
