"""Decides whether an order, or a preview, may call its systems now, by staff's switches, circuits and agreed rates."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.verbs import Verb
from orderapp.services.db.transactions import writing
from orderapp.services.resilience.bulkheads import behind_bulkhead, behind_preview_bulkhead
from orderapp.services.resilience.circuit_breakers import CIRCUIT_OPEN, take_order_probes
from orderapp.services.resilience.rate_limiter import (
    ORDER_AHEAD_SECONDS,
    RATE_LIMITED,
    Turns,
    in_turn,
    take_preview_turn,
    take_turns,
)
from orderapp.services.resilience.system_status import Standing
from orderapp.systems.base import System

PAUSED = Answer(Outcome.NOT_SENT, "paused", "staff have paused this system; nothing was sent", called=False)


@dataclass(frozen=True, slots=True)
class Admission:
    """Which systems an order may call."""

    # Systems that it may not call, with the answer that it gets instead.
    refusals: Mapping[str, Answer] = field(default_factory=dict)
    probes: frozenset[str] = frozenset()  # systems that it calls as a probe
    turns: Mapping[str, Turns] = field(default_factory=dict)  # its slots for systems with an agreed rate

    def of(self, system: System) -> System:
        """Return the system wrapped: a call waits for this order's slot, then passes the bulkhead."""
        return in_turn(behind_bulkhead(system), self.turns.get(system.name))


@dataclass(frozen=True, slots=True)
class PreviewAdmission:
    """The permission to ask systems what they would take off: one call of each, which takes no room of orders."""

    turns: Mapping[str, Turns] = field(default_factory=dict)

    def of(self, system: System) -> System:
        """Return the system wrapped: a call waits for its slot, then passes the bulkhead for previews."""
        return in_turn(behind_preview_bulkhead(system), self.turns.get(system.name))


def admit(standing: Standing, concerned: Sequence[System]) -> Admission:
    """Return the admission for a submission that isn't recorded yet.

    Transaction: one, committed here, if a circuit isn't closed or a rate is agreed; else none.
    If we die here: the right to probe comes back after a second; the slots stay unused.
    """
    if not _has_to_ask(standing, concerned):
        return Admission(_paused(standing, concerned))
    with writing() as session:
        return admit_within(session, standing, concerned)


def admit_within(session: Session, standing: Standing, concerned: Sequence[System]) -> Admission:
    """Return the admission. Transaction: within the caller's."""
    refusals = _paused(standing, concerned)
    failing = _failing(standing, concerned)
    probes = take_order_probes(session, failing) if failing and not refusals else frozenset()
    refusals |= {name: CIRCUIT_OPEN for name in failing if name not in probes}
    turns: dict[str, Turns] = {}
    # Sorted by name, so that two orders can't deadlock on these rows.
    for system in sorted(concerned, key=lambda one: one.name):
        if system.limits.rate_per_second and not refusals:
            taken = take_turns(session, system, _calls(system), ORDER_AHEAD_SECONDS)
            if taken is None:
                refusals[system.name] = RATE_LIMITED
            else:
                turns[system.name] = taken
    return Admission(refusals, probes, turns)


def admit_preview(standing: Standing, asked: Sequence[System]) -> PreviewAdmission | None:
    """Return the admission for a preview; None if a system should be left alone, or orders need its next slots.

    A preview is no probe: systems that fail are left alone.

    Transaction: one for each system with an agreed rate, committed here.
    If we die here: the slots stay unused.
    """
    left_alone = standing.paused | standing.compensate_only | set(standing.failing)
    if any(not system.configured or system.name in left_alone for system in asked):
        return None
    paced = sorted((system for system in asked if system.limits.rate_per_second), key=lambda one: one.name)
    turns: dict[str, Turns] = {}
    for system in paced:
        with writing() as session:
            taken = take_preview_turn(session, system)
        if taken is None:
            return None
        turns[system.name] = taken
    return PreviewAdmission(turns)


def _has_to_ask(standing: Standing, concerned: Sequence[System]) -> bool:
    return bool(_failing(standing, concerned)) or any(system.limits.rate_per_second for system in concerned)


def _paused(standing: Standing, concerned: Sequence[System]) -> dict[str, Answer]:
    switched_off = standing.paused | standing.compensate_only
    return {system.name: PAUSED for system in concerned if system.name in switched_off}


def _failing(standing: Standing, concerned: Sequence[System]) -> Collection[str]:
    return [system.name for system in concerned if system.name in standing.failing and system.limits.circuit_calls]


def _calls(system: System) -> int:
    return 2 if system.can(Verb.QUOTE) else 1
