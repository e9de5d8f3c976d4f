"""The texts about a task that waits for its system, not for a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orderapp.admin.labels import duration
from orderapp.admin.titles import system_title
from orderapp.admin.zones import local
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind, TaskState
from orderapp.models import SwitchMode, Task
from orderapp.services.resilience.holdups import Holdup
from orderapp.services.saga.unknown_systems import UnknownSystem


def why_it_waits(task: Task, holdups: Mapping[str, Holdup]) -> str:
    """Return why a due task isn't run, as a sentence; empty if nothing prevents it."""
    if task.state != TaskState.WAITING.value or not (keeps := what_keeps(TaskKind(task.kind), task.system, holdups)):
        return ""
    return f"Waits because {keeps}"


def why_it_would_wait(task: Task, holdups: Mapping[str, Holdup]) -> str:
    """Return why a task that isn't waiting would wait once it is due again, as a sentence; empty where it would run."""
    keeps = what_keeps(TaskKind(task.kind), task.system, holdups)
    return f"Then it waits because {keeps}" if keeps and task.state != TaskState.WAITING.value else ""


def what_keeps(kind: TaskKind, system: str, holdups: Mapping[str, Holdup]) -> str:
    """Return what keeps a system's tasks of a kind, as a clause; empty where nothing does."""
    title = system_title(system)
    if system not in current_settings().runnable:
        return f"the running version doesn't know {title}"
    if (holdup := holdups.get(system)) is None:
        return ""
    if holdup.switched_off(kind):
        until = f" until {local(holdup.resumes_at):%H:%M %Z}" if holdup.resumes_at is not None else ""
        return f"{title} {_switched(holdup.mode)}{until}: {holdup.mode_reason}"
    if holdup.failing:
        return f"{title} fails at present; one task at a time tries it. {holdup.failing}"
    if holdup.held_seconds > 0:
        return f"{title} asked not to be called for {duration(holdup.held_seconds)}"
    return ""


def _switched(mode: SwitchMode) -> str:
    return "is paused" if mode is SwitchMode.PAUSED else "only gives back"


def held_systems(holdups: Mapping[str, Holdup], unknown: Iterable[UnknownSystem] = ()) -> dict[str, str]:
    """Return the systems whose tasks wait for them, each with a short reason, by name."""
    words = {one.name: "isn't known" for one in unknown if one.tasks.get(TaskState.WAITING)}
    for name, holdup in sorted(holdups.items()):
        if holdup.mode is not SwitchMode.ON:
            words[name] = _switched(holdup.mode)
        elif holdup.failing:
            words[name] = "fails"
        elif holdup.held_seconds > 0:
            words[name] = "asked to wait"
    return words
