"""The texts before staff switch a system: what each button does for this kind of system."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from flask import abort, request

from orderapp.admin import zones
from orderapp.models import CircuitState, SwitchMode
from orderapp.systems.base import Part, System

TASKS = {Part.SETTLE: "Settlements", Part.TASK: "Its tasks"}


@dataclass(frozen=True, slots=True)
class SwitchChoice:
    """A mode that staff may choose: the button, and what follows from it."""

    mode: SwitchMode
    button: str
    consequence: str


def switch_choices(system: System, mode: SwitchMode, circuit: CircuitState) -> tuple[SwitchChoice, ...]:
    """Return the modes that a system can be switched to from the one it is in."""
    choices = []
    if mode is not SwitchMode.ON:
        text = "It is called again immediately, and its waiting tasks run at its rate."
        choices.append(SwitchChoice(SwitchMode.ON, "Resume", text))
    elif circuit is not CircuitState.CLOSED:
        text = "Its circuit breaker closes: it is called again immediately, and its waiting tasks run at its rate."
        choices.append(SwitchChoice(SwitchMode.ON, "Use again now", text))
    if mode is not SwitchMode.COMPENSATE_ONLY:
        choices.append(SwitchChoice(SwitchMode.COMPENSATE_ONLY, "Only compensate", _only_compensating(system)))
    if mode is not SwitchMode.PAUSED:
        choices.append(SwitchChoice(SwitchMode.PAUSED, "Pause", _pausing(system)))
    return tuple(choices)


def until_sent() -> dt.datetime | None:
    """Return when a form has a system used again; None for no such time, 400 for what is no time.

    A system that is used at once has no end: the button to resume leaves the field out of account.
    """
    text = request.form.get("until", "")
    if not text or request.form.get("mode") == SwitchMode.ON.value:
        return None
    try:
        return zones.read(text)
    except ValueError:
        abort(400)


def job_choices(mode: SwitchMode) -> tuple[SwitchChoice, ...]:
    """Return the modes that a job can be switched to from the one it is in."""
    if mode is SwitchMode.ON:
        text = "It isn't run until it is resumed; a run that has begun ends. What was missed meanwhile is run once."
        return (SwitchChoice(SwitchMode.PAUSED, "Pause", text),)
    return (SwitchChoice(SwitchMode.ON, "Resume", "It runs again, and what waits for it is due at once."),)


def while_it_fails(system: System) -> str:
    """Return what waits, or fails, while a system's circuit isn't closed, as a sentence."""
    if system.part is Part.NOTIFY:
        return "Its messages wait; orders are confirmed all the same."
    if system.part in TASKS:
        return f"{TASKS[system.part]} wait; orders are confirmed all the same."
    if system.required:
        return "New orders fail, but for one at a time that tries it."
    return "New orders that need it fail, but for one at a time that tries it; all others are placed as ever."


def _only_compensating(system: System) -> str:
    if system.part is Part.NOTIFY:
        return f"{_forward(system)} There is nothing to give back, so it is the same as to pause it."
    if system.part in TASKS:
        return f"{_forward(system)} What was done is still undone where an order is cancelled."
    return f"{_forward(system)} What is held is still given back."


def _pausing(system: System) -> str:
    if system.part is Part.NOTIFY:
        return _forward(system)
    return f"{_forward(system)} What is to be given back waits as well."


def _forward(system: System) -> str:
    """Return what happens to the system's steps or tasks while it is switched off."""
    if system.part is Part.NOTIFY:
        return "Its messages wait until it is resumed; orders are confirmed all the same."
    if system.part in TASKS:
        return f"{TASKS[system.part]} wait until it is resumed; orders are confirmed all the same."
    if system.required:
        return "New orders fail until it is resumed."
    return "New orders that need it fail until it is resumed; all others are placed as ever."
