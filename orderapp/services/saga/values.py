"""The values that are passed through a placement: what is held, the result of each step, what stopped it."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orderapp.domain.orders import Effect, OrderDocument
from orderapp.domain.outcome import Answer, Outcome, Shortage
from orderapp.domain.states import StepState
from orderapp.domain.verbs import Verb
from orderapp.services.resilience.admission import Admission


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A planned step that is committed: the row's id, the system, the key."""

    id: int
    system: str
    key: str


@dataclass(frozen=True, slots=True)
class Held:
    """A placement held under a lease."""

    order_id: uuid.UUID
    placement_id: int
    placement_number: int
    submission_id: int
    fencing: int  # our fencing token; every later write is conditional on it
    document: OrderDocument
    steps: tuple[PlannedStep, ...]
    lease_ends_at: float  # On this process's monotonic clock. Measured before the lease was written, so never too late.
    # For a resumed placement, how long ago the previous lease ran out; None for a new one.
    idle_seconds: float | None = None
    admission: Admission = field(default_factory=Admission)  # what we may call at present
    # When its keys may first have been used, on this process's monotonic clock.
    keys_used_from: float = field(default_factory=time.monotonic)

    @property
    def resumed(self) -> bool:
        """Whether an earlier holder may have made some of the calls."""
        return self.idle_seconds is not None

    def seconds_left(self) -> float:
        """Return how much of the lease is left."""
        return self.lease_ends_at - time.monotonic()

    def key_age_seconds(self) -> float:
        """Return how long ago the keys of its steps may first have been used."""
        return time.monotonic() - self.keys_used_from

    def effect(self, step: PlannedStep) -> Effect:
        """Return the effect that the step's system should cause."""
        return Effect(step.key, self.document)


@dataclass(slots=True)
class Try:
    """One call of a step, for the history; `started_at` is on this process's monotonic clock."""

    verb: Verb
    answer: Answer
    started_at: float
    ended_at: float


@dataclass(slots=True)
class StepResult:
    """The result of a step in this pass."""

    step: PlannedStep
    resumed: bool
    tries: list[Try] = field(default_factory=list)

    @property
    def answer(self) -> Answer:
        """The last call's answer."""
        return self.tries[-1].answer

    @property
    def state(self) -> StepState:
        """What is known about the step.

        A refusal or a "not sent" after an unknown call, ours or a dead holder's, proves nothing about that call: it may
        still succeed, so the step stays unknown and is compensated.
        """
        if self.answer.outcome is Outcome.DONE:
            return StepState.DONE
        if self.resumed or any(one.answer.outcome is Outcome.UNKNOWN for one in self.tries):
            return StepState.UNKNOWN
        return StepState.REFUSED if self.answer.outcome is Outcome.REFUSED else StepState.PLANNED


@dataclass(frozen=True, slots=True)
class Stopped:
    """What ended a placement before it was confirmed."""

    system: str  # its name; empty if we were interrupted
    outcome: Outcome  # of its call
    code: str  # why, such as `card_empty`
    shortage: Shortage | None = None  # of which line there was too little


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What TX2 wrote. `tasks` are the new ones: id, kind, system, state, attempts."""

    client_id: int | None
    created_at: dt.datetime
    updated_at: dt.datetime
    decided_at: dt.datetime
    tasks: Sequence[Any]
