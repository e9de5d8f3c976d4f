"""External systems inside the test's process: they keep to the contract, or do once what a test tells them to."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Self

from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Report
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.systems.base import Part, Repeats, System
from orderapp.systems.settings import Environment

NO_REPEATS = Repeats()


class Killed(BaseException):
    """The process ends here: nothing of ours catches it, so what isn't committed by now never will be."""


class Scripted(System):
    """A system that remembers what is in place under which key, and every call.

    Its next acts come to what is put into `acts`, its next undos to `undos`, its next answers to `findings`; else all
    is done. `before` is called with the verb and the effect before anything else.
    """

    def __init__(
        self,
        name: str,
        part: Part = Part.BLOCKING,
        guarantee: Guarantee = Guarantee.IDEMPOTENT,
        *,
        repeats: Repeats = NO_REPEATS,
        late_window_seconds: float = 0.0,
        attempts: int = 3,
        position: int = 100,
        stores_failures: bool = False,
        key_window_seconds: float | None = None,
    ) -> None:
        declared: dict[str, Any] = {
            "name": name,
            "title": name.capitalize(),
            "part": part,
            "guarantee": guarantee,
            "repeats": repeats,
            "position": position,
            "stores_failures": stores_failures,
            "key_window_seconds": key_window_seconds,
            "calls_per_run": 2 if guarantee is Guarantee.QUERY_FIRST else 1,
        }
        for attribute, value in declared.items():
            setattr(self, attribute, value)
        self.late_window_seconds = late_window_seconds
        self.call_seconds = 1.0
        self.backoff = Backoff(0.001, 0.001, attempts)
        self.acts: deque[Callable[[Effect], Answer]] = deque()
        self.undos: deque[Callable[[Effect], Answer]] = deque()
        self.findings: deque[Finding] = deque()
        self.before: Callable[[str, Effect], None] = lambda verb, effect: None
        self.in_place: Counter[str] = Counter()
        self.ever_done: Counter[str] = Counter()
        self.cancelled: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        raise NotImplementedError("made by tests")

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        return True

    def check(self) -> Answer:
        return Answer(Outcome.DONE)

    def act(self, effect: Effect) -> Answer:
        self._begin("act", effect)
        return self.acts.popleft()(effect) if self.acts else self.do(effect)

    def ask(self, effect: Effect) -> Report:
        self._begin("ask", effect)
        if self.findings:
            return Report(self.findings.popleft(), Answer(Outcome.DONE))
        found = self.in_place[effect.key]
        if found:
            return Report(Finding.IN_PLACE, Answer(Outcome.DONE), tuple(f"{effect.key}/{n}" for n in range(found)))
        gone = effect.key in self.cancelled or self.ever_done[effect.key]
        return Report(Finding.UNDONE if gone else Finding.ABSENT, Answer(Outcome.DONE))

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        self._begin("undo", effect)
        if self.undos:
            return self.undos.popleft()(effect)
        return self.take_back(effect, report)

    def take_back(self, effect: Effect, report: Report | None = None) -> Answer:
        """Undo what the report names; with keys, whatever is there, and bar what is still to come."""
        with self._lock:
            if self.guarantee is Guarantee.IDEMPOTENT:
                self.cancelled.add(effect.key)
                self.in_place[effect.key] = 0
            else:
                self.in_place[effect.key] -= len(report.effects) if report else 0
        return Answer(Outcome.DONE)

    def do(self, effect: Effect) -> Answer:
        """Bring the effect about as the guarantee says: once per key, or once more each time."""
        with self._lock:
            if effect.key in self.cancelled:
                return Answer(Outcome.REFUSED, "key_cancelled", repeatable=False)
            again = self.guarantee is Guarantee.IDEMPOTENT and self.in_place[effect.key]
            if not again:
                self.in_place[effect.key] += 1
                self.ever_done[effect.key] += 1
        return Answer(Outcome.DONE)

    def verbs(self, key: str | None = None) -> list[str]:
        """Return what was asked of it, in order, of all keys or one."""
        return [verb for verb, called in self.calls if key in (None, called)]

    @property
    def held(self) -> int:
        """How many effects are in place, of all keys together."""
        return sum(self.in_place.values())

    def _begin(self, verb: str, effect: Effect) -> None:
        with self._lock:
            self.calls.append((verb, effect.key))
        self.before(verb, effect)


def answers(outcome: Outcome, code: str = "scripted", **more: Any) -> Callable[[Effect], Answer]:
    """Return an act that does nothing and answers so."""
    return lambda effect: Answer(outcome, code, **more)


def does_it_then(system: Scripted, outcome: Outcome = Outcome.UNKNOWN, **more: Any) -> Callable[[Effect], Answer]:
    """Return an act that does it, and whose answer says something else."""

    def act(effect: Effect) -> Answer:
        system.do(effect)
        return Answer(outcome, "timeout", **more)

    return act


def does_it_and_dies(system: Scripted) -> Callable[[Effect], Answer]:
    """Return an act after which this process is gone."""

    def act(effect: Effect) -> Answer:
        system.do(effect)
        raise Killed

    return act


def dies(_effect: Effect) -> Answer:
    """Be gone before anything was sent."""
    raise Killed


class OneOfEach:
    """One system of each sort: idempotent and query_first, blocking, to settle, to notify."""

    def __init__(self) -> None:
        self.stock = Scripted("stock", position=1)
        self.voucher = Scripted("voucher", guarantee=Guarantee.QUERY_FIRST, late_window_seconds=60, position=2)
        self.bank = Scripted("bank", Part.SETTLE)
        self.texts = Scripted("texts", Part.NOTIFY, Guarantee.UNSAFE)
        self.all = (self.stock, self.voucher, self.bank, self.texts)

    @property
    def held(self) -> list[int]:
        """How many effects stock, voucher and bank hold."""
        return [system.held for system in self.all[:3]]
