"""The acts on many tasks, as staff read them."""

from __future__ import annotations

from dataclasses import dataclass

from orderapp.models import Resolution


@dataclass(frozen=True, slots=True)
class TaskActTexts:
    """What staff read of an act on many tasks."""

    verb: str  # what is done, before the number: "Requeue", "Mark as happened:"
    consequence: str  # what follows
    button: str = "btn-primary"  # how its button looks
    calls: bool = False  # whether it calls systems, so that it waits while one is paused or fails

    def title(self, number: int) -> str:
        """Return what is done to so many: "Requeue 12 tasks"."""
        return f"{self.verb} {number:,} {'task' if number == 1 else 'tasks'}"


TEXTS = {
    "requeue": TaskActTexts(
        "Requeue",
        "They are due one after the other, with fresh attempts. What was tried stays in the history.",
        calls=True,
    ),
    Resolution.HAPPENED.value: TaskActTexts(
        "Mark as happened:",
        "Mark only what you have found out elsewhere. What was to be done isn't done again; what was to be given back "
        "is given back now. Your mark stays with the order until something proves or disproves it.",
    ),
    Resolution.NOT_HAPPENED.value: TaskActTexts(
        "Mark as not happened:",
        "Mark only what you have found out elsewhere. What was to be done is tried again; what was to be given back "
        "counts as given back. Your mark stays with the order until something proves or disproves it.",
    ),
    "cancel": TaskActTexts(
        "Give up",
        "Nobody tries them any more. What is owed, or may still be held, stays on the first page.",
        button="btn-danger",
    ),
}
