"""What a system's work is called by people, as it stands after "to": "take payment", "return the coupon"."""

from __future__ import annotations

from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind
from orderapp.domain.verbs import Verb
from orderapp.models import Task


def doing(system: str) -> str:
    """Return what a system does for an order, by its name; in general words if the running version doesn't know it."""
    known = current_settings().systems.get(system)
    return (known.errand.act if known is not None else "") or f"have {system_title(system)} do its part"


def undoing(system: str) -> str:
    """Return how that is taken back."""
    known = current_settings().systems.get(system)
    return (known.errand.undo if known is not None else "") or f"have {system_title(system)} take back its part"


def errand_of(task: Task) -> str:
    """Return what a task is for."""
    if task.kind == TaskKind.COMPENSATE.value:
        return f"{undoing(task.system)} that came twice" if task.keep else undoing(task.system)
    again = task.kind == TaskKind.SETTLE.value and task.step_id is not None
    return f"{doing(task.system)} once more" if again else doing(task.system)


def call_of(verb: str, system: str) -> str:
    """Return what a call was for, by its verb, as a sentence's beginning: "Redeem the coupon"."""
    if verb in (Verb.ACT.value, Verb.UNDO.value):
        words = doing(system) if verb == Verb.ACT.value else undoing(system)
        return f"{words[0].upper()}{words[1:]}"
    if verb == Verb.RUN.value:
        return f"{system_title(system)} ran"
    about = "for the discount" if verb == Verb.QUOTE.value else "what is in place"
    return f"Ask {system_title(system)} {about}"


def errand_title(kind: str, system: str) -> str:
    """Return what tasks of a kind do at a system, as a heading: "Take payment"."""
    if TaskKind(kind) is TaskKind.JOB:
        return system_title(system)
    what = undoing(system) if TaskKind(kind) is TaskKind.COMPENSATE else doing(system)
    return what[:1].upper() + what[1:]
