"""Why a system's tasks don't run at present, although workers do: what pages name where its effects are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskKind
from orderapp.models import Circuit, CircuitState, Pace, SwitchMode, SystemSwitch, seconds_until
from orderapp.services.resilience.circuit_breakers import NOT_CLOSED


@dataclass(frozen=True, slots=True)
class Holdup:
    """What keeps a system's tasks.

    Args:
        mode: How staff have switched it.
        mode_reason: Why they did.
        failing: Why its circuit isn't closed; empty where it is.
        held_seconds: How long it has asked to be left alone.

    """

    mode: SwitchMode = SwitchMode.ON
    mode_reason: str = ""
    failing: str = ""
    held_seconds: float = 0.0

    def switched_off(self, kind: TaskKind) -> bool:
        """Return whether staff have switched the system off for tasks of a kind."""
        forward = kind is not TaskKind.COMPENSATE
        return self.mode is SwitchMode.PAUSED or (self.mode is SwitchMode.COMPENSATE_ONLY and forward)


def holdups(session: Session) -> Mapping[str, Holdup]:
    """Return what keeps the tasks of systems at present, by system. Transaction: reads only, within the caller's."""
    switches = {row.system: row for row in session.scalars(select(SystemSwitch))}
    failing = {
        row.system: row.reason or CircuitState(row.state).value
        for row in session.execute(select(Circuit.system, Circuit.state, Circuit.reason).where(NOT_CLOSED))
    }
    left = seconds_until(Pace.tasks_held_until)
    held = {row.system: float(row[1]) for row in session.execute(select(Pace.system, left).where(left > 0))}
    return {
        name: Holdup(
            mode=SwitchMode(switches[name].mode) if name in switches else SwitchMode.ON,
            mode_reason=switches[name].reason if name in switches else "",
            failing=failing.get(name, ""),
            held_seconds=held.get(name, 0.0),
        )
        for name in {*switches, *failing, *held}
    }
