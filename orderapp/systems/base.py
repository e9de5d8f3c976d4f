"""What every external system declares, and how we call it.

A system declares its properties; the services (`orderapp.services`) act on them. To add a system, write one file with
one subclass of `System` (or of `KeyedSystem`, for the usual protocol): see docs/add-a-system.md.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self

from orderapp.domain.inputs import Code
from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote, Report
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.domain.states import TaskKind
from orderapp.errors import ConfigurationError
from orderapp.systems.callbacks import Callback
from orderapp.systems.limits import Limits
from orderapp.systems.sandboxes import Sandbox
from orderapp.systems.settings import Environment

# The name is part of keys (64 characters in total, 11 of them the order's number) and of the names of settings.
NAME = re.compile(r"[a-z][a-z0-9]{0,19}")


class Part(StrEnum):
    """When a system is called."""

    BLOCKING = "blocking"  # the customer waits; a step of the placement
    SETTLE = "settle"  # money that must be taken, may be later; a task of the confirmed order
    TASK = "task"  # other work that must happen, may be later; a task of the confirmed order
    NOTIFY = "notify"  # should happen, after the order is safe; a task of the confirmed order

    @property
    def task_kind(self) -> TaskKind:
        """The kind of the tasks for this part. ValueError for blocking systems, which have steps."""
        return TaskKind(self.value)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often, and after which pause, a blocking call is repeated after a failure while the customer waits."""

    not_sent: int = 0
    unknown: int = 0
    pause_seconds: float = 0.1  # long enough for a listener to come back, short enough not to be noticed

    def allowed(self, outcome: Outcome) -> int:
        """Return how many repeats are allowed after an outcome."""
        return {Outcome.NOT_SENT: self.not_sent, Outcome.UNKNOWN: self.unknown}.get(outcome, 0)


class Progress(NamedTuple):
    """What customers read about a task: while it is on its way, when it is done, and when it takes long."""

    under_way: str = "On its way"
    done: str = "Done"
    delayed: str = "Takes longer than usual; we look after it, you need do nothing"


class OnRefusal(StrEnum):
    """What happens when the system of a task refuses for good."""

    NEEDS_ATTENTION = "needs_attention"  # staff decide
    CANCELS_ORDER = "cancels_order"  # the order is cancelled, and all that it holds is given back


class System(ABC):
    """An external system. Subclasses set the class attributes; instances hold the settings.

    Attributes:
        name: One lower-case word; part of keys, tables and settings. Unique.
        title: What staff and customers read.
        part: When it is called.
        guarantee: What it declares about doing the same thing twice.
        inputs: What customers may type in for it.
        refusals: What customers read about its refusals, by code; any other gets a general sentence.
        is_payment: Whether what it takes off an order is a payment, such as by gift card, and not a discount.
        after: The systems whose tasks of the same order have to be done before its own.
        on_refusal: What happens when it refuses its task for good.
        progress: What customers read about its task.
        required: Whether the product can't run without it.
        position: Its place among the calls until there are measured failure rates; low is early.
        repeats: Which failures are repeated while the customer waits.
        late_window_seconds: How long after a cut call its effect may still appear (query_first systems).
        calls_per_run: The most calls that one run of a task makes.
        stores_failures: Whether the system stores a failure under the key and repeats it forever, so that a repeat
            never succeeds (idempotent systems only).
        key_window_seconds: How long the system remembers a key; None if it never forgets one.
        example: The inputs of an order that concerns it, for the tests of its contract.
        sandbox: Its stand-in, if it has a protocol of its own; keyed systems have one without it.
        setting: The prefix of its settings, if that isn't its name in capitals.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    part: ClassVar[Part]
    guarantee: ClassVar[Guarantee]
    inputs: ClassVar[tuple[Code, ...]] = ()
    refusals: ClassVar[Mapping[str, str]] = {}
    is_payment: ClassVar[bool] = False
    after: ClassVar[tuple[str, ...]] = ()
    on_refusal: ClassVar[OnRefusal] = OnRefusal.NEEDS_ATTENTION
    progress: ClassVar[Progress] = Progress()
    required: ClassVar[bool] = False
    position: ClassVar[int] = 100
    repeats: ClassVar[Repeats] = Repeats()
    calls_per_run: ClassVar[int] = 1
    stores_failures: ClassVar[bool] = False
    example: ClassVar[Mapping[str, str]] = {}
    sandbox: ClassVar[Sandbox | None] = None
    setting: ClassVar[str] = ""

    key_window_seconds: float | None = None
    late_window_seconds: float = 0.0
    configured: bool = True
    # The inputs that may be kept in histories and logs: its own, and those of the systems that it is registered with.
    public_inputs: frozenset[str] = frozenset()
    # The systems whose tasks wait for its own.
    followers: tuple[str, ...] = ()
    limits: Limits = Limits()
    call_seconds: float
    backoff: Backoff

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.public_inputs = frozenset(code.name for code in cls.inputs if isinstance(code, Code) and not code.private)

    @classmethod
    @abstractmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        """Make the system from its settings; ConfigurationError for a wrong one."""

    @abstractmethod
    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the system has a part in this order."""

    @abstractmethod
    def act(self, effect: Effect) -> Answer:
        """Cause the effect, under its key."""

    @abstractmethod
    def check(self) -> Answer:
        """Make a harmless call that shows whether address and credentials are right."""

    def quote(self, request: OrderRequest) -> Quote | None:
        """Return the discount that the order would get; None for a system without discounts. Change nothing there."""
        return None

    def ask(self, effect: Effect) -> Report:
        """Return what is in place under the effect's key. Query_first systems and reconciliation need it."""
        raise NotImplementedError(f"{self.name} can't be asked")

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Take the effect back; harmless when repeated. `report` is what `ask` said, for query_first systems."""
        raise NotImplementedError(f"{self.name} can't be undone")

    def private_values(self, order: OrderRequest | OrderDocument) -> tuple[str, ...]:
        """Return the values of an order that must not be kept in histories and logs.

        An input that no system of this process declares is one of them.
        """
        typed = (value for name, value in order.inputs.items() if name not in self.public_inputs)
        return (order.customer.name, order.customer.email, order.customer.phone, *typed)

    def hear(self, callback: Callback) -> Iterable[str] | None:
        """Return the keys that a partner's callback is about; None if it isn't signed as agreed, or is too old.

        It is only a hint: what waits for these keys is asked for at once.
        """
        raise NotImplementedError(f"{self.name} has no callbacks")

    @property
    def may_appear_for_seconds(self) -> float:
        """How long an effect may still appear after its task was taken from a worker during a run.

        The run continues to its end, with a wait for a slot before each call; then the late window begins.
        """
        longest_run = self.calls_per_run * (self.call_seconds + self.limits.longest_wait_seconds)
        return longest_run + self.late_window_seconds

    @classmethod
    def can(cls, verb: str) -> bool:
        """Return whether the system implements `ask`, `undo`, `quote` or `hear`."""
        return getattr(cls, verb) is not getattr(System, verb)


def backoff_from(env: Environment, prefix: str, default: Backoff) -> Backoff:
    """Return the backoff, changed by `<prefix>_RETRY_BASE_SECONDS`, `_RETRY_MAX_SECONDS` and `_RETRY_ATTEMPTS`."""
    base, cap = f"{prefix}_RETRY_BASE_SECONDS".lstrip("_"), f"{prefix}_RETRY_MAX_SECONDS".lstrip("_")
    refined = Backoff(
        env.number(base, default.base_seconds, 0.001, 86_400),
        env.number(cap, default.max_seconds, 0.001, 30 * 86_400),
        env.integer(f"{prefix}_RETRY_ATTEMPTS".lstrip("_"), default.attempts, 1, 10_000),
    )
    if refined.base_seconds > refined.max_seconds:
        raise ConfigurationError(f"{base}: {refined.base_seconds:g} is more than {cap} ({refined.max_seconds:g})")
    return refined
