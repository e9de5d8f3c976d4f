"""What systems said when staff had them asked, in words."""

from __future__ import annotations

from orderapp.admin.titles import system_title
from orderapp.domain.outcome import Finding
from orderapp.services.reconciliation.check_now import Asked

SAID = {
    Finding.IN_PLACE: "in place",
    Finding.PENDING: "accepted, not finished yet",
    Finding.ABSENT: "nothing there",
    Finding.UNDONE: "taken back",
    Finding.UNCLEAR: "no clear answer",
}


def told(asked: Asked) -> str:
    """Return an answer as a sentence."""
    said, title = SAID[asked.report.finding], system_title(asked.system)
    if asked.report.finding is Finding.UNCLEAR:
        return (
            f"{title} gave no clear answer ({(asked.report.answer.message or asked.report.answer.code).rstrip('.')})."
        )
    return f"{title} says: {said}{', otherwise than our ledger' if asked.differs else ''}."
