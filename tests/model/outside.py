"""The external systems of the model: they follow the contract, and show every fault that it allows.

Each call takes the next of its run's ways, and goes well when there are no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Quote, Report
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.domain.states import News
from orderapp.systems.base import Part, Repeats, System
from orderapp.systems.settings import Environment
from tests.model.clock import Clock
from tests.model.runs import Run
from tests.services.scripted import Killed

CALL_SECONDS = 3.0
LATE_WINDOW_SECONDS = 60.0
# The last moment at which what was cut off may appear, but for half a second.
APPEARS_AFTER_SECONDS = LATE_WINDOW_SECONDS - 0.5
SETTLES_AFTER_SECONDS = 20.0

WELL = "well"
SLOW = "slow, but well"
PROVEN = {  # nothing happened, and the answer proves it
    "refused": Answer(Outcome.REFUSED, "no", "the system says no", repeatable=False),
    "not reached": Answer(Outcome.NOT_SENT, "refused_connection"),
    "answered 429": Answer(Outcome.NOT_SENT, "http_429", slow_down=True, retry_after_seconds=7.0),
    "answered 401": Answer(Outcome.NOT_SENT, "http_401", repeatable=False),
}
LOST_BEFORE = "cut off, and never happens"
LOST_AFTER = "cut off, but it happened"
APPEARS_LATE = "cut off, and happens at the end of the late window"
GARBLED = "happens, and the answer is garbage"
PENDING = "finishes later"
DIES_BEFORE = "the process dies before the call"
DIES_AFTER = "the process dies after the call"
DIES_APPEARS_LATE = "the process dies, the call arrives at the end of the late window"
STOPS_BEFORE = "the process stops before the call"
STOPS_AFTER = "the process stops after the call"
DIES = (DIES_BEFORE, DIES_AFTER, DIES_APPEARS_LATE)
STOPS = (STOPS_BEFORE, STOPS_AFTER)
LATE = (APPEARS_LATE, DIES_APPEARS_LATE)
HAPPENS = (WELL, SLOW, LOST_AFTER, GARBLED, PENDING, DIES_AFTER, STOPS_AFTER)
CUT_OFF = (LOST_BEFORE, LOST_AFTER, APPEARS_LATE)
ALL_WAYS = (WELL, SLOW, *PROVEN, LOST_BEFORE, LOST_AFTER, APPEARS_LATE, GARBLED, PENDING, *DIES, *STOPS)

UNKNOWN = Answer(Outcome.UNKNOWN, "timeout", "cut off")
GARBAGE = Answer(Outcome.UNKNOWN, "unreadable_answer")
DONE = Answer(Outcome.DONE)


class Outside:
    """All external systems, what they hold, and which run is calling.

    Attributes:
        run: The run that goes on at this moment.
        called: Called before each call with verb, system and effect.
        late: What was cut off and still comes: when, and what comes then.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        clock.ticks.append(self._let_come)
        self.run: Run | None = None
        self.called: Callable[[str, Simulated, Effect], None] = lambda verb, system, effect: None
        self.posts: Callable[[Simulated, str], None] = lambda system, key: None
        self.late: list[tuple[float, Simulated, str, Callable[[], object]]] = []
        self.voucher = Quoting(self, "voucher", guarantee=Guarantee.QUERY_FIRST, position=1)
        self.stock = Simulated(self, "stock", position=2, repeats=Repeats(1, 1, 0))
        self.bank = Simulated(self, "bank", Part.SETTLE)
        self.ledger = Simulated(self, "ledger", Part.SETTLE, Guarantee.QUERY_FIRST)
        self.texts = Simulated(self, "texts", Part.NOTIFY, Guarantee.UNSAFE)
        vars(self.texts)["tells"] = tuple(News)
        self.all = {one.name: one for one in (self.voucher, self.stock, self.bank, self.ledger, self.texts)}

    def empty(self) -> None:
        """Forget everything."""
        self.late.clear()
        for system in self.all.values():
            system.forget()

    def next_way(self) -> str:
        """Return what happens to the present call.

        A holder that has acted after it had lost its lease no longer dies before it has told: what it did then is found
        by reconciliation alone, which the model doesn't play.
        """
        if self.run is None or not self.run.ways:
            return WELL
        way = self.run.ways.popleft()
        return WELL if way in DIES and self.run.acted_late else way

    def comes_late(self, system: Simulated, key: str, deed: Callable[[], object]) -> None:
        """Have something happen at the end of the late window."""
        self.late.append((self.clock.seconds + APPEARS_AFTER_SECONDS, system, key, deed))

    def _let_come(self) -> None:
        for one in [one for one in self.late if one[0] <= self.clock.seconds]:
            self.late.remove(one)
            one[3]()


class Violated(BaseException):
    """A rule is broken. No exception, since the product takes whatever a connector raises for an unknown outcome."""


@contextmanager
def violations_get_through() -> Iterator[None]:
    """Let a failed assertion in the block end the game."""
    try:
        yield
    except AssertionError as error:
        raise Violated(str(error)) from error


class Simulated(System):
    """A system inside the test's process. `in_place` has the ids of what each key brought about and still holds."""

    def __init__(
        self,
        outside: Outside,
        name: str,
        part: Part = Part.BLOCKING,
        guarantee: Guarantee = Guarantee.IDEMPOTENT,
        *,
        position: int = 100,
        repeats: Repeats = Repeats(),  # noqa: B008 - a value
    ) -> None:
        query_first = guarantee is Guarantee.QUERY_FIRST
        declared: dict[str, Any] = {
            "name": name,
            "title": name.capitalize(),
            "part": part,
            "guarantee": guarantee,
            "position": position,
            "repeats": repeats,
            "calls_per_run": 2 if query_first else 1,
        }
        for attribute, value in declared.items():
            setattr(self, attribute, value)
        self.outside = outside
        self.call_seconds = CALL_SECONDS
        self.late_window_seconds = LATE_WINDOW_SECONDS if query_first else 0.0
        # No wait at all, so that jitter decides nothing: what waits in the model waits because it was asked to.
        self.backoff = Backoff(0.0001, 0.0001, 3)
        self.forget()

    def forget(self) -> None:
        """Forget everything."""
        self.in_place: dict[str, set[int]] = {}
        self.ever: Counter[str] = Counter()
        self.tombstones: set[str] = set()
        self.settles_at: dict[str, float] = {}
        self.allowed: Counter[str] = Counter()  # how often an unsafe key may be acted on, beyond the first time

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        raise NotImplementedError("made by the model")

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        return self.name != "voucher" or bool(order.inputs["coupon"])

    def check(self) -> Answer:
        return DONE

    def held(self, key: str) -> int:
        """Return how many effects of the key are in place."""
        return len(self.in_place.get(key, ()))

    def coming(self, key: str) -> bool:
        """Whether an effect of the key may still come."""
        return any((one[1], one[2]) == (self, key) for one in self.outside.late) and key not in self.tombstones

    def act(self, effect: Effect) -> Answer:
        return self._call("act", effect, lambda: self.do(effect.key))

    def ask(self, effect: Effect) -> Report:
        report: list[Report] = []

        def look() -> Answer:
            report.append(self.look(effect.key))
            return DONE

        answer = self._call("ask", effect, look)
        return report[0] if answer is DONE else Report(Finding.UNCLEAR, answer)

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        return self._call("undo", effect, lambda: self.take_back(effect.key, report))

    def do(self, key: str) -> Answer:
        """Bring it about: once per key, or once more each time."""
        if key in self.tombstones:
            return Answer(Outcome.REFUSED, "key_cancelled", repeatable=False)
        mine = self.in_place.setdefault(key, set())
        if self.guarantee is not Guarantee.IDEMPOTENT or not mine:
            self.ever[key] += 1
            mine.add(self.ever[key])
        pending = self.settles_at.get(key, 0.0) > self.outside.clock.seconds
        return Answer(Outcome.DONE, pending=True, message="accepted, not finished yet") if pending else DONE

    def look(self, key: str) -> Report:
        """Say what is there."""
        effects = tuple(str(one) for one in sorted(self.in_place.get(key, ())))
        if effects:
            pending = self.settles_at.get(key, 0.0) > self.outside.clock.seconds
            return Report(Finding.PENDING if pending else Finding.IN_PLACE, DONE, effects)
        return Report(Finding.UNDONE if self.ever[key] or key in self.tombstones else Finding.ABSENT, DONE)

    def take_back(self, key: str, report: Report | None) -> Answer:
        """Undo what the report names; with keys, whatever is there, and bar what is still to come."""
        if self.guarantee is Guarantee.IDEMPOTENT:
            self.tombstones.add(key)
            self.in_place.pop(key, None)
        elif report is not None:
            self.in_place[key] = self.in_place.get(key, set()) - {int(one) for one in report.effects}
        return DONE

    def _call(self, verb: str, effect: Effect, deed: Callable[[], Answer]) -> Answer:
        with violations_get_through():
            self.outside.called(verb, self, effect)
        run = self.outside.run
        way = self.outside.next_way()
        while run is not None and way == STOPS_BEFORE:
            run.stop()
            way = self.outside.next_way()
        if verb == "act":
            with violations_get_through():
                self.outside.posts(self, effect.key)
            if run is not None and run.acted_late and way in (DIES_AFTER, DIES_APPEARS_LATE):
                way = WELL
        return self._answer(verb, effect.key, way, deed)

    def _answer(self, verb: str, key: str, way: str, deed: Callable[[], Answer]) -> Answer:
        if way in (SLOW, *CUT_OFF):
            self.outside.clock.advance(CALL_SECONDS - 0.1)
        if way in PROVEN:
            if verb == "act":
                self.allowed[key] += 1
            return PROVEN[way]
        if way == DIES_BEFORE:
            raise Killed
        if way == PENDING and verb == "act" and self.part is Part.SETTLE and not self.ever[key]:
            self.settles_at[key] = self.outside.clock.seconds + SETTLES_AFTER_SECONDS
        if way in LATE and verb == "act":
            self.outside.comes_late(self, key, deed)
        answer = deed() if way in HAPPENS else UNKNOWN
        if way == STOPS_AFTER and self.outside.run is not None:
            self.outside.run.stop()
            way = self.outside.next_way()
        if way in DIES:
            raise Killed
        if way in CUT_OFF:
            return UNKNOWN
        return GARBAGE if way == GARBLED else answer


class Quoting(Simulated):
    """A system that is asked for a discount before the order is recorded."""

    def quote(self, request: OrderRequest) -> Quote | None:
        way = self.outside.next_way()
        while self.outside.run is not None and way in STOPS:
            self.outside.run.stop()
            way = self.outside.next_way()
        if way in DIES:
            raise Killed
        if way == "refused":
            return Quote(DONE, refused="coupon_used_up")
        if way in PROVEN or way in CUT_OFF or way == GARBLED:
            return Quote(PROVEN.get(way, UNKNOWN))
        return Quote(DONE, code=request.inputs["coupon"], kind="percent", value=10)
