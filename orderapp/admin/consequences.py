"""The texts before a manual resolution: what follows from it, and what happens if it is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import TaskKind
from orderapp.domain.verbs import Verb
from orderapp.models import Resolution, Task
from orderapp.services.backoffice.circumstances import Circumstances
from orderapp.services.backoffice.manual_resolutions import objection_to_mark
from orderapp.services.backoffice.risks import Objection
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

BUTTONS = {Resolution.HAPPENED: "Mark as happened", Resolution.NOT_HAPPENED: "Mark as not happened"}
# What follows if a task that was marked as happened did not happen.
IF_NOT = {
    TaskKind.SETTLE: "the order stays unpaid",
    TaskKind.TASK: "it is never done",
    TaskKind.NOTIFY: "the customer never gets the message",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A manual resolution that staff may choose: the button, its consequence, the objection to it."""

    resolution: Resolution
    button: str
    consequence: str
    objection: Objection | None

    @property
    def refusal(self) -> str | None:
        """Return why it isn't possible, or None if it is, perhaps only with a decision."""
        return self.objection.text if self.objection is not None and self.objection.risk is None else None


def choices_of(task: Task, systems: Systems, title: str, seen: Circumstances) -> tuple[Choice, ...]:
    """Return both choices for a task's effect: it happened, or it didn't; none for a job, which has no effect."""
    if TaskKind(task.kind) is TaskKind.JOB:
        return ()
    return tuple(
        Choice(
            resolution,
            button,
            consequence_of(task, resolution, systems.get(task.system), title),
            objection_to_mark(task, resolution, seen, systems),
        )
        for resolution, button in BUTTONS.items()
    )


def consequence_of(task: Task, resolution: Resolution, system: System | None, title: str) -> str:
    """Return what follows from a manual resolution, and if it is wrong. A system that is gone can't be asked."""
    look = " Reconciliation will look." if system is not None and system.can(Verb.ASK) else " Nobody can look that up."
    if TaskKind(task.kind) is TaskKind.COMPENSATE:
        if resolution is Resolution.HAPPENED:
            return f"It is in place: {title} is asked to undo it, at once and with fresh attempts."
        if task.keep:
            return f"Nothing is there twice: the task is closed. If it is after all, {title} keeps it twice.{look}"
        return (
            "Nothing is there to undo, or nothing any more: the task is closed, and once nothing else is held the "
            f"order ends. If something is there after all, {title} keeps holding it for an order that is over.{look}"
        )
    kind = TaskKind(task.kind)
    message = kind is TaskKind.NOTIFY
    if resolution is Resolution.HAPPENED:
        then = "no further message is sent" if message else f"{title} isn't called again"
        if_not = IF_NOT[kind]
        return f"The task is closed as done; {then}. If it did not happen after all, {if_not}.{look}"
    then = "The message is sent again" if message else f"{title} is called again"
    return f"{then} at once, with fresh attempts. {_if_it_did(message, system)}"


def what_a_repeat_does(name: str) -> str:
    """Return what trying a task again does, by what its system declares; a job has declared it by being one."""
    title, system = system_title(name), current_settings().systems.get(name)
    if system is None:
        return f"{title} is run again; what it has done before stays."
    if system.guarantee is Guarantee.IDEMPOTENT:
        return f"{title} is called again under the same key, so nothing happens twice."
    if system.guarantee is Guarantee.QUERY_FIRST:
        return f"{title} is asked first what is in place, so nothing happens twice."
    return f"{title} is called once more; as far as we know, nothing has happened yet."


def what_giving_up_means(task: Task) -> str:
    """Return what follows from giving a task up."""
    stays_open = "" if task.keep else ", and the order stays open"
    system = current_settings().systems.get(task.system)
    begins = " What waits for it begins." if system is not None and system.followers else ""
    text = {
        TaskKind.COMPENSATE: f"Nobody tries it any more. What may be held stays counted as an "
        f"unresolved effect{stays_open}.",
        TaskKind.SETTLE: "Nobody tries it any more. The money stays owed, counted as an unresolved effect, until it is "
        "settled or the order is cancelled. It can be requeued later.",
        TaskKind.TASK: "Nobody tries it any more. The work stays owed, counted as an unresolved effect, until it is "
        "done or the order is cancelled. It can be requeued later.",
        TaskKind.NOTIFY: "Nobody tries it any more; the customer may never get the message. It can be requeued later.",
        TaskKind.JOB: "Nobody runs it any more; what it has done stays. It can be requeued later. Other runs of it go "
        "on.",
    }[TaskKind(task.kind)]
    return text + begins


def _if_it_did(message: bool, system: System | None) -> str:
    if system is not None and system.guarantee is Guarantee.IDEMPOTENT:
        return "If it did happen after all, its key keeps it from happening twice."
    twice = "the customer gets the message twice" if message else "it happens twice"
    return f"If it did happen after all, {twice}."
