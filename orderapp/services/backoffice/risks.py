"""Which acts of staff need their own decision: those that could do something twice or end an order.

They are refused until the risk is accepted for that row. Single and bulk acts, previews, pages and the command line
all use this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind
from orderapp.errors import WrongState
from orderapp.models import Mismatch, Resolution, Task
from orderapp.services.backoffice.circumstances import Circumstances
from orderapp.services.reconciliation.compare import Correction
from orderapp.services.saga.key_ages import may_be_forgotten
from orderapp.systems.base import System


class Risk(StrEnum):
    """A possible consequence that can't be undone."""

    TWICE = "twice"  # something happens a second time
    ENDS_ORDER = "ends-order"  # an order is cancelled, or ends although it may still hold something


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an act isn't done: it makes no sense, or (with a risk) it needs a decision for this row alone."""

    text: str
    risk: Risk | None = None


class NeedsDecision(WrongState):
    """The act is risky and nobody accepted the risk for this row alone; nothing was changed."""

    def __init__(self, text: str, risk: Risk) -> None:
        super().__init__(text)
        self.risk = risk


def refuse(what: str, objection: Objection | None, despite: Risk | None) -> None:
    """Raise if there is an objection, unless it is the risk that was accepted.

    Args:
        what: What isn't done, such as "Task 12 can't be requeued".
        objection: Why not.
        despite: The risk that the actor has accepted.

    Raises:
        NeedsDecision: the act is risky.
        WrongState: the act makes no sense now.
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
    """Return the risk of requeueing a task, or None if it is harmless."""
    title = system.title
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        return None
    if seen.given_up_because is not None:
        text = f"staff gave it up ({seen.given_up_because}); if it was done in another way, it would happen twice"
        return Objection(text, Risk.TWICE)
    # For an idempotent system the age of the key doesn't matter here: the engine repeats nothing under a dead key.
    if seen.used_before and system.guarantee is Guarantee.UNSAFE:
        return Objection(f"it may have happened already, and {title} would do it a second time", Risk.TWICE)
    return None


def risk_of_marking(task: Task, resolution: Resolution, seen: Circumstances, system: System | None) -> Objection | None:
    """Return the risk of a wrong manual resolution of a task's effect, or None if it is harmless."""
    if resolution is not Resolution.NOT_HAPPENED:
        return None
    title = system.title if system is not None else task.system
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        text = f"if something is there after all, {title} keeps it"
        return Objection(text, Risk.TWICE if task.keep else Risk.ENDS_ORDER)
    idempotent = system is not None and system.guarantee is Guarantee.IDEMPOTENT
    if system is not None and idempotent and not may_be_forgotten(system, seen.key_age_seconds):
        return None
    return Objection("it is done again without asking: if it did happen after all, it happens twice", Risk.TWICE)


def risk_of_correcting(mismatch: Mismatch, system: System | None) -> Objection | None:
    """Return the risk of a mismatch's correction, or None if it is harmless."""
    if mismatch.correction == Correction.CANCEL.value:
        return Objection("it would cancel the whole order", Risk.ENDS_ORDER)
    if mismatch.correction == Correction.DO.value and system is not None and system.guarantee is Guarantee.UNSAFE:
        return Objection(f"{system.title} would do it a second time if it did happen", Risk.TWICE)
    return None
