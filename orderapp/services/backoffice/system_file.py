"""What staff see of one external system: its switch, its circuit, its newest calls, callbacks and switchings."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.states import TaskState
from orderapp.models import (
    Attempt,
    AuditEntry,
    Circuit,
    CircuitState,
    HeardCallback,
    Order,
    SwitchMode,
    SystemSwitch,
    Task,
    db_now,
    holds,
)
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.db.transactions import reading
from orderapp.systems.base import System

NEWEST_CALLS = 100  # some minutes of a busy day, or days of a quiet one: the page says since when
SHOWN = 10  # of what came to nothing, of callbacks, of switchings
LEAST_CALLS = 20  # of fewer, a share would say nothing
OPEN_STATES = (TaskState.FAILED, TaskState.RUNNING, TaskState.WAITING)


@dataclass(frozen=True, slots=True)
class Call:
    """One of the newest calls, without what was sent."""

    id: int
    order_number: str | None
    outcome: str
    code: str
    message: str
    started_at: dt.datetime
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SystemFile:
    """One system. `calls` are newest first."""

    system: System
    mode: SwitchMode
    switch: SystemSwitch | None  # who switched it last, when, why, until when; None if nobody ever did
    circuit: Circuit | None  # None: it never failed
    calls: Sequence[Call]
    tasks: Mapping[TaskState, Count]
    callbacks: Sequence[tuple[HeardCallback, str | None]]  # with their orders' numbers
    switchings: Sequence[AuditEntry]
    now: dt.datetime

    @property
    def failing(self) -> bool:
        """Whether its circuit isn't closed."""
        return self.circuit is not None and self.circuit.state != CircuitState.CLOSED.value

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How the newest calls ended, by outcome."""
        return Counter(call.outcome for call in self.calls)

    @property
    def done_share(self) -> float | None:
        """The share of the newest calls that were done, 0.0 to 1.0; None for fewer than LEAST_CALLS."""
        return self.outcomes.get("done", 0) / len(self.calls) if len(self.calls) >= LEAST_CALLS else None

    def duration_ms(self, share: float) -> int | None:
        """Return the time within which this share of the newest calls was answered; None without calls."""
        durations = sorted(call.duration_ms for call in self.calls)
        return durations[min(len(durations) - 1, int(share * len(durations)))] if durations else None


def look_at(systems: Sequence[System]) -> tuple[SystemFile, ...]:
    """Return the files of systems, as of now. Transaction: reads only; a few bounded queries for each."""
    with reading() as session:
        now = session.execute(select(db_now())).scalar_one()
        return tuple(_file(session, system, now) for system in systems)


def _file(session: Session, system: System, now: dt.datetime) -> SystemFile:
    switch = session.get(SystemSwitch, system.name)
    of_system = {
        state: select(Task.id).where(holds(Task.system, system.name), holds(Task.state, state.value))
        for state in OPEN_STATES
    }
    return SystemFile(
        system=system,
        mode=SwitchMode(switch.mode) if switch is not None else SwitchMode.ON,
        switch=switch,
        circuit=session.get(Circuit, system.name),
        calls=_calls(session, system),
        tasks=capped(session, of_system),
        callbacks=_callbacks(session, system) if system.can("hear") else (),
        switchings=session.scalars(
            select(AuditEntry)
            .where(AuditEntry.act == "system.switch", AuditEntry.subject == f"system {system.name}")
            .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
            .limit(SHOWN)
        ).all(),
        now=now,
    )


def _calls(session: Session, system: System) -> Sequence[Call]:
    columns = (Attempt.id, Order.number, Attempt.outcome, Attempt.code, Attempt.message)
    newest = (
        select(*columns, Attempt.started_at, Attempt.duration_ms)
        .outerjoin(Order, Order.id == Attempt.order_id)
        .where(Attempt.system == system.name)
        .order_by(Attempt.started_at.desc())
        .limit(NEWEST_CALLS)
    )
    return [Call(*row) for row in session.execute(newest)]


def _callbacks(session: Session, system: System) -> Sequence[tuple[HeardCallback, str | None]]:
    newest = (
        select(HeardCallback, Order.number)
        .outerjoin(Order, Order.id == HeardCallback.order_id)
        .where(HeardCallback.system == system.name)
        .order_by(HeardCallback.id.desc())
        .limit(SHOWN)
    )
    return [(callback, number) for callback, number in session.execute(newest)]
