"""The texts about mismatches: the difference, its correction, and the verdict on an order that has one."""

from __future__ import annotations

from collections.abc import Sequence

from orderapp.admin.titles import system_title
from orderapp.admin.verdicts import Verdict
from orderapp.domain.states import MismatchState
from orderapp.models import Mismatch
from orderapp.services.reconciliation.compare import Correction, Kind

KINDS = {
    Kind.MISSING: "Missing",
    Kind.ORPHAN: "Orphan",
    Kind.WRONG_STATE: "Wrong state",
}
CORRECTIONS = {
    Correction.DO: "Do it again under its key",
    Correction.UNDO: "Take it back",
    Correction.UNDO_SURPLUS: "Take back all but one",
    Correction.CANCEL: "Cancel the order",
    Correction.NONE: "None yet: look again",
}
CONSEQUENCES = {
    Correction.DO: "{system} is called again under the same key; it is asked first where a repeat could do it twice.",
    Correction.UNDO: "{system} takes back whatever is there under this key.",
    Correction.UNDO_SURPLUS: "{system} takes back what is there beyond one; the order keeps the one.",
    Correction.CANCEL: "{system} has undone it, so it can't come back under its key. The whole order is cancelled: "
    "everything it holds is given back, the settlement included.",
    Correction.NONE: "It may still end as it should. The next reconciliation looks again.",
}


def consequence_of(mismatch: Mismatch) -> str:
    """Return what follows from the correction of a mismatch."""
    return CONSEQUENCES[Correction(mismatch.correction)].format(system=system_title(mismatch.system))


def beside(verdict: Verdict, mismatches: Sequence[Mismatch]) -> Verdict:
    """Return the verdict on an order with mismatches; without any, return it unchanged."""
    unresolved = [mismatch for mismatch in mismatches if mismatch.state != MismatchState.GONE.value]
    if not unresolved:
        return verdict
    told = tuple(_told(mismatch) for mismatch in unresolved)
    correcting = all(mismatch.state != MismatchState.OPEN.value for mismatch in unresolved)
    tone, title = ("warn", "Its correction is ordered") if correcting else ("bad", "A system says otherwise")
    # A system contradicts the statement that all is well.
    ours = () if verdict.tone == "good" else verdict.sentences
    since = min(mismatch.found_at for mismatch in unresolved)
    return Verdict(tone, title, (*told, f"Without it: {verdict.title}.", *ours), since)


def _told(mismatch: Mismatch) -> str:
    title = system_title(mismatch.system)
    return f"{title}: {mismatch.kind}. Our ledger says: {mismatch.ours}; it says: {mismatch.theirs}."
