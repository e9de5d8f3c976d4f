"""What may not be done in bulk: an act that could do something twice or end an order is decided one by one.

The one place that says so, for single and bulk acts, previews, pages and the command line alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind
from orderapp.errors import WrongState
from orderapp.models import Drift, Task, Word
from orderapp.services.backoffice.circumstances import Circumstances
from orderapp.services.reconciliation.compare import Repair
from orderapp.services.saga.key_ages import may_be_forgotten
from orderapp.systems.base import System


class Risk(StrEnum):
    """What could follow that nobody can take back."""

    TWICE = "twice"  # something happens a second time
    ENDS_ORDER = "ends-order"  # an order is cancelled, or ends while something of it may still be held


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an act isn't done: it makes no sense, or (with a risk) somebody has to decide it for this one alone."""

    text: str
    risk: Risk | None = None


class NeedsDecision(WrongState):
    """The act is risky, and nobody has decided it for this one alone; nothing was changed."""

    def __init__(self, text: str, risk: Risk) -> None:
        super().__init__(text)
        self.risk = risk


def refuse(what: str, objection: Objection | None, despite: Risk | None) -> None:
    """Raise WrongState where there is an objection, unless it is the very risk that was accepted.

    Args:
        what: What isn't done, such as "Task 12 can't be requeued".
        objection: Why not.
        despite: The risk that whoever acts has seen and decided to take.

    Raises:
        NeedsDecision: it is risky.
        WrongState: it makes no sense at present.

    """
    if objection is None or (objection.risk is not None and objection.risk is despite):
        return
    if objection.risk is None:
        raise WrongState(f"{what}: {objection.text}.")
    raise NeedsDecision(
        f"{what} without a decision on it alone: {objection.text}. Nothing was changed; its own page shows what is "
        "known, and what follows.",
        objection.risk,
    )


def risk_of_requeueing(task: Task, seen: Circumstances, system: System) -> Objection | None:
    """Return what requeueing a task could do beyond its purpose, or None where it is harmless."""
    title = system.title
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        return None
    if seen.given_up_because is not None:
        text = f"staff gave it up ({seen.given_up_because}); if it was done in another way, it would happen twice"
        return Objection(text, Risk.TWICE)
    # An idempotent system has its key, however old: the engine repeats nothing under a dead one.
    if seen.used_before and system.guarantee is Guarantee.UNSAFE:
        return Objection(f"it may have happened already, and {title} would do it a second time", Risk.TWICE)
    return None


def risk_of_marking(task: Task, word: Word, seen: Circumstances, system: System | None) -> Objection | None:
    """Return what staff's word on a task's effect could do if it isn't so, or None where that is harmless."""
    if word is not Word.NOT_HAPPENED:
        return None
    title = system.title if system is not None else task.system
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        text = f"if something is there after all, {title} keeps it"
        return Objection(text, Risk.TWICE if task.keep else Risk.ENDS_ORDER)
    idempotent = system is not None and system.guarantee is Guarantee.IDEMPOTENT
    if system is not None and idempotent and not may_be_forgotten(system, seen.key_age_seconds):
        return None
    return Objection("it is done again without asking: if it did happen after all, it happens twice", Risk.TWICE)


def risk_of_repairing(drift: Drift, system: System | None) -> Objection | None:
    """Return what a drift's repair could do beyond its purpose, or None where it is harmless."""
    if drift.repair == Repair.CANCEL.value:
        return Objection("it would cancel the whole order", Risk.ENDS_ORDER)
    if drift.repair == Repair.DO.value and system is not None and system.guarantee is Guarantee.UNSAFE:
        return Objection(f"{system.title} would do it a second time if it did happen", Risk.TWICE)
    return None
