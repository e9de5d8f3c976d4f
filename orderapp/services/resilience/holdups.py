"""Why a system's tasks wait although workers run. The pages that show the system's effects show this reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskKind
from orderapp.models import Circuit, CircuitState, RateSlot, SwitchMode, SystemSwitch, seconds_until
from orderapp.services.resilience.circuit_breakers import NOT_CLOSED


@dataclass(frozen=True, slots=True)
class Holdup:
    """What holds up a system's tasks."""

    mode: SwitchMode = SwitchMode.ON  # the mode that staff have set
    mode_reason: str = ""  # why they set it
    mode_since: dt.datetime | None = None  # since when
    failing_since: dt.datetime | None = None  # since when its circuit isn't closed
    resumes_at: dt.datetime | None = None  # when the timer uses it again; None: staff do
    failing: str = ""  # why its circuit isn't closed; empty if it is closed
    held_seconds: float = 0.0  # how long the system has asked us to wait

    def switched_off(self, kind: TaskKind) -> bool:
        """Return whether staff have switched the system off for tasks of a kind."""
        forward = kind is not TaskKind.COMPENSATE
        return self.mode is SwitchMode.PAUSED or (self.mode is SwitchMode.COMPENSATE_ONLY and forward)


def holdups(session: Session) -> Mapping[str, Holdup]:
    """Return what holds up tasks now, by system. Transaction: reads only, within the caller's."""
    switches = {row.system: row for row in session.scalars(select(SystemSwitch))}
    circuits = select(Circuit.system, Circuit.state, Circuit.reason, Circuit.changed_at)
    failing = {row.system: row for row in session.execute(circuits.where(NOT_CLOSED))}
    left = seconds_until(RateSlot.tasks_held_until)
    held = {row.system: float(row[1]) for row in session.execute(select(RateSlot.system, left).where(left > 0))}
    return {
        name: Holdup(
            mode=SwitchMode(switches[name].mode) if name in switches else SwitchMode.ON,
            mode_reason=switches[name].reason if name in switches else "",
            mode_since=switches[name].changed_at if name in switches else None,
            failing=(failing[name].reason or CircuitState(failing[name].state).value) if name in failing else "",
            failing_since=failing[name].changed_at if name in failing else None,
            resumes_at=switches[name].resumes_at if name in switches else None,
            held_seconds=held.get(name, 0.0),
        )
        for name in {*switches, *failing, *held}
    }
