"""What staff read of a task that waits for its system, not for a worker."""

from __future__ import annotations

from collections.abc import Mapping

from orderapp.admin.titles import system_title
from orderapp.admin.words import duration
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import SwitchMode, Task
from orderapp.services.resilience.holdups import Holdup


def why_it_waits(task: Task, holdups: Mapping[str, Holdup]) -> str:
    """Return why a waiting task isn't run when it is due, as a sentence; empty where nothing keeps it."""
    if task.state != TaskState.WAITING.value or (holdup := holdups.get(task.system)) is None:
        return ""
    title = system_title(task.system)
    if holdup.switched_off(TaskKind(task.kind)):
        how = "is paused" if holdup.mode is SwitchMode.PAUSED else "only gives back"
        return f"Waits because {title} {how}: {holdup.mode_reason}"
    if holdup.failing:
        return f"Waits because {title} fails at present; one task at a time tries it. {holdup.failing}"
    if holdup.held_seconds > 0:
        return f"Waits because {title} asked not to be called for {duration(holdup.held_seconds)}"
    return ""


def held_systems(holdups: Mapping[str, Holdup]) -> dict[str, str]:
    """Return the systems whose tasks wait for them, with what is the matter in a word or two, by name."""
    words = {}
    for name, holdup in sorted(holdups.items()):
        if holdup.mode is not SwitchMode.ON:
            words[name] = "is paused" if holdup.mode is SwitchMode.PAUSED else "only gives back"
        elif holdup.failing:
            words[name] = "fails"
        elif holdup.held_seconds > 0:
            words[name] = "asked to wait"
    return words
