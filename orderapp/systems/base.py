"""What every external system declares, and how we call it.

A system declares its properties; the services (`orderapp.services`) act on them. To add a system, write one file with
one subclass of `System` (or of `KeyedSystem`, for the usual protocol): see docs/add-a-system.md.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self

from orderapp.domain.inputs import Code
from orderapp.domain.mails import Mail
from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote, Report
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.domain.states import News, TaskKind
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
    NOTIFY = "notify"  # should happen, after the order is safe; a task for each of its news

    @property
    def task_kind(self) -> TaskKind:
        """The kind of the tasks for this part. ValueError for blocking systems, which have steps."""
        return TaskKind(self.value)


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often, and after which pause, a blocking call is repeated after a failure while the customer waits.

    Example:
        >>> Repeats(not_sent=1).allowed(Outcome.NOT_SENT), Repeats(not_sent=1).allowed(Outcome.UNKNOWN)
        (1, 0)
    """

    not_sent: int = 0  # repeats after a call that proved not to have been sent
    unknown: int = 0  # repeats after an unknown outcome; idempotent systems only
    pause_seconds: float = 0.1  # long enough for a listener to come back, short enough not to be noticed

    def allowed(self, outcome: Outcome) -> int:
        """Return how many repeats are allowed after an outcome."""
        return {Outcome.NOT_SENT: self.not_sent, Outcome.UNKNOWN: self.unknown}.get(outcome, 0)


class Progress(NamedTuple):
    """What customers read about a task.

    Attributes:
        under_way: While it waits or runs.
        done: When it is done.
        delayed: When it takes long, or is with staff.

    Example:
        >>> Progress("Is being packed", "Sent", "Will be sent later").done
        'Sent'
    """

    under_way: str = "On its way"
    done: str = "Done"
    delayed: str = "Takes longer than usual; we look after it, you need do nothing"


class Errand(NamedTuple):
    """What staff call its work, as it stands after "to"; empty for general words."""

    act: str = ""  # doing it, such as "take payment"
    undo: str = ""  # taking it back, such as "refund the payment"


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
        errand: What staff call its work.
        how_to_check: How staff find out at the partner whether something happened, as a sentence.
        required: Whether the product can't run without it.
        position: Its place among the calls until there are measured failure rates; low is early.
        repeats: Which failures are repeated while the customer waits.
        late_window_seconds: How long after a cut call its effect may still appear (query_first systems).
        calls_per_run: The most calls that one run of a task makes.
        stores_failures: Whether the system stores a failure under the key and repeats it forever, so that a repeat
            never succeeds (idempotent systems only).
        key_window_seconds: How long the system remembers a key; None if it never forgets one.
        tells: The news that it sends messages of (`Part.NOTIFY`); each is an effect of its own.
        translations: What customers read of it in other languages, by language code and English text, where our own
            translations lack it: that of a plugin.
        example: The inputs of an order that concerns it, for the tests of its contract.
        sandbox: Its stand-in, if it has a protocol of its own; keyed systems have one without it.
        setting: The prefix of its settings, if that isn't its name in capitals.
        configured: Whether it has its settings; without them it takes no part in any order. `__init__` sets it.
        call_seconds: The longest that one call may take. `__init__` sets it.
        backoff: The pauses between the attempts of its tasks. `__init__` sets it, usually by `backoff_from`.
        limits: Its agreed rate, its parallel runs, and when its circuit opens; read from its settings.
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
    errand: ClassVar[Errand] = Errand()
    how_to_check: ClassVar[str] = ""
    required: ClassVar[bool] = False
    position: ClassVar[int] = 100
    repeats: ClassVar[Repeats] = Repeats()
    calls_per_run: ClassVar[int] = 1
    stores_failures: ClassVar[bool] = False
    tells: ClassVar[tuple[News, ...]] = (News.CONFIRMED,)
    translations: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    example: ClassVar[Mapping[str, str]] = {}
    sandbox: ClassVar[Sandbox | None] = None
    setting: ClassVar[str] = ""

    key_window_seconds: float | None = None
    late_window_seconds: float = 0.0
    configured: bool = True
    # The inputs that may be kept in histories and logs, of all systems that it is registered with; alone it keeps none.
    public_inputs: frozenset[str] = frozenset()
    # The systems whose tasks wait for its own.
    followers: tuple[str, ...] = ()
    limits: Limits = Limits()
    call_seconds: float
    backoff: Backoff

    @classmethod
    @abstractmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        """Make the system from its settings.

        Args:
            env: The settings of this process.
            backoff: The pauses between attempts that all tasks have by default.

        Raises:
            ConfigurationError: a setting is wrong; the process doesn't start.
        """

    @abstractmethod
    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the system has a part in this order: a step of its placement, or a task.

        It is decided once, before the order is recorded, from what stands in the order alone; nothing is called.
        """

    @abstractmethod
    def act(self, effect: Effect) -> Answer:
        """Cause the effect, under its key. Called while no transaction is open.

        It sends the same content each time it is called for one effect. It raises nothing: a failure is an answer, and
        whatever doesn't prove an outcome is `unknown`. If it raises all the same, the outcome is `unknown` too.
        """

    @abstractmethod
    def check(self) -> Answer:
        """Make a harmless call that shows whether address and credentials are right, for `flask doctor`."""

    def quote(self, request: OrderRequest) -> Quote | None:
        """Return what the system would take off the order; None if nothing.

        It is asked before anything is recorded, at the same time as other systems, and only if it concerns the order.
        It changes nothing.
        """
        return None

    def stock(self, skus: Sequence[str]) -> Mapping[str, int] | None:
        """Return how many there are of some products, by SKU; None if that can't be said at present.

        Pages tell it before anything is ordered. It changes nothing, and nothing is decided by it.
        """
        return None

    def ask(self, effect: Effect) -> Report:
        """Return what is in place under the effect's key, and change nothing.

        Query_first systems need it before each repeat and undo, reconciliation once a day. Only a complete answer about
        this key may say that nothing is there.
        """
        raise NotImplementedError(f"{self.name} can't be asked")

    def undo(self, effect: Effect, report: Report | None) -> Answer:
        """Take the effect back: this one and no other.

        It is harmless if it is repeated, if there is nothing to take back, and if it comes before the action, which
        must then come to nothing.

        Args:
            effect: What to take back.
            report: What `ask` said a moment ago, for query_first systems; None for all others.
        """
        raise NotImplementedError(f"{self.name} can't be undone")

    def private_values(self, order: OrderRequest | OrderDocument) -> tuple[str, ...]:
        """Return the values of an order that must not be kept in histories and logs.

        An input that no system of this process declares is one of them.
        """
        typed = (value for name, value in order.inputs.items() if name not in self.public_inputs)
        corrected = order.corrected_email if isinstance(order, OrderDocument) else ""
        return (order.customer.name, order.customer.email, corrected, order.customer.phone, *typed)

    def hear(self, callback: Callback) -> Iterable[str] | None:
        """Return the keys that a partner's callback is about; None if it isn't signed as agreed, or is too old.

        It is only a hint: what waits for these keys is due at once, and the system is asked for the truth. Keys that
        nobody knows yet are kept for a while.
        """
        raise NotImplementedError(f"{self.name} has no callbacks")

    def write(self, mail: Mail) -> Answer:
        """Send a mail that is no effect of an order. Called while no transaction is open, in a request or by a job.

        Like `act` it raises nothing. The first configured system that can do it is used.
        """
        raise NotImplementedError(f"{self.name} writes no mails")

    @property
    def may_appear_for_seconds(self) -> float:
        """How long an effect may still appear after its task was taken from a worker during a run.

        The run continues to its end, with a wait for a slot before each call; then the late window begins.
        """
        longest_run = self.calls_per_run * (self.call_seconds + self.limits.longest_wait_seconds)
        return longest_run + self.late_window_seconds

    @classmethod
    def can(cls, verb: str) -> bool:
        """Return whether the system implements `ask`, `undo`, `quote`, `stock`, `hear` or `write`."""
        return getattr(cls, verb) is not getattr(System, verb)


def backoff_from(env: Environment, prefix: str, default: Backoff) -> Backoff:
    """Return a backoff, changed by `<prefix>_RETRY_BASE_SECONDS`, `_RETRY_MAX_SECONDS` and `_RETRY_ATTEMPTS`.

    Args:
        env: The settings.
        prefix: The system's prefix, usually its name in capitals.
        default: What counts for those that aren't set.

    Raises:
        ConfigurationError: a value is out of range, or the first pause is longer than the longest.
    """
    base, cap = f"{prefix}_RETRY_BASE_SECONDS".lstrip("_"), f"{prefix}_RETRY_MAX_SECONDS".lstrip("_")
    refined = Backoff(
        env.number(base, default.base_seconds, 0.001, 86_400),
        env.number(cap, default.max_seconds, 0.001, 30 * 86_400),
        env.integer(f"{prefix}_RETRY_ATTEMPTS".lstrip("_"), default.attempts, 1, 10_000),
    )
    if refined.base_seconds > refined.max_seconds:
        raise ConfigurationError(f"{base}: {refined.base_seconds:g} is more than {cap} ({refined.max_seconds:g})")
    return refined
