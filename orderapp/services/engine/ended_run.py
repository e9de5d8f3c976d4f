"""A run of a task that has ended but isn't recorded yet."""

from __future__ import annotations

from dataclasses import dataclass

from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Decision, Verdict
from orderapp.domain.states import TaskKind
from orderapp.domain.verbs import Verb
from orderapp.services.engine.claim import Claim
from orderapp.services.saga.values import Try
from orderapp.systems.base import OnRefusal, System
from orderapp.systems.registry import Systems


@dataclass(frozen=True, slots=True)
class Ran:
    """The claim, the result of its calls, and the decision about the task."""

    held: Claim
    system: System
    one: Try
    decision: Decision
    systems: Systems

    @property
    def cancels_order(self) -> bool:
        """Whether the system refused, and declares that the order is cancelled then."""
        refused = self.one.verb == Verb.ACT and self.one.answer.outcome is Outcome.REFUSED
        forward = self.held.task.kind != TaskKind.COMPENSATE.value
        given_up = self.decision.verdict is Verdict.STAFF
        return refused and forward and given_up and self.system.on_refusal is OnRefusal.CANCELS_ORDER

    @property
    def is_plainly_done(self) -> bool:
        """Whether the task is done and nothing else must be written, which is usual."""
        task = self.held.task
        done = self.decision.verdict is Verdict.DONE
        plain = task.kind != TaskKind.COMPENSATE.value and not self.system.followers
        return done and plain and not self.held.probing and not task.repeats
