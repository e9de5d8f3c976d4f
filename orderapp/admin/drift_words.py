"""The texts about mismatches: the difference, its correction, and the verdict on an order that has one."""

from __future__ import annotations

from collections.abc import Sequence

from orderapp.admin.titles import system_title
from orderapp.admin.words import Verdict
from orderapp.domain.states import DriftState
from orderapp.models import Drift
from orderapp.services.reconciliation.compare import Kind, Repair

KINDS = {
    Kind.MISSING: "Missing",
    Kind.ORPHAN: "Orphan",
    Kind.WRONG_STATE: "Wrong state",
}
REPAIRS = {
    Repair.DO: "Do it again under its key",
    Repair.UNDO: "Take it back",
    Repair.UNDO_SURPLUS: "Take back all but one",
    Repair.CANCEL: "Cancel the order",
    Repair.NONE: "None yet: look again",
}
CONSEQUENCES = {
    Repair.DO: "{system} is called again under the same key; it is asked first where a repeat could do it twice.",
    Repair.UNDO: "{system} takes back whatever is there under this key.",
    Repair.UNDO_SURPLUS: "{system} takes back what is there beyond one; the order keeps the one.",
    Repair.CANCEL: "{system} has undone it, so it can't come back under its key. The whole order is cancelled: "
    "everything it holds is given back, the settlement included.",
    Repair.NONE: "It may still end as it should. The next reconciliation looks again.",
}


def consequence_of(drift: Drift) -> str:
    """Return what follows from the correction of a mismatch."""
    return CONSEQUENCES[Repair(drift.repair)].format(system=system_title(drift.system))


def beside(verdict: Verdict, drifts: Sequence[Drift]) -> Verdict:
    """Return the verdict on an order with mismatches; without any, return it unchanged."""
    told = tuple(_told(drift) for drift in drifts if drift.state != DriftState.GONE.value)
    if not told:
        return verdict
    repairing = all(drift.state != DriftState.OPEN.value for drift in drifts)
    tone, title = ("warn", "Its repair is ordered") if repairing else ("bad", "A system says otherwise")
    # A system contradicts the statement that all is well.
    ours = () if verdict.tone == "good" else verdict.sentences
    return Verdict(tone, f"By our rows: {verdict.title}. {title}.", (*told, *ours))


def _told(drift: Drift) -> str:
    return f"{system_title(drift.system)}: {drift.kind}. We believe: {drift.ours}; it says: {drift.theirs}."
