"""Refuses declarations of systems that can't be kept, each for itself and all together."""

from __future__ import annotations

from collections.abc import Mapping

from orderapp.domain.inputs import Code
from orderapp.domain.retry import Guarantee
from orderapp.errors import ConfigurationError
from orderapp.systems.base import NAME, OnRefusal, Part, System

# The first words of our own settings; those of a system begin with its name, and must not be taken for ours.
# fmt: off
OWN_SETTINGS = frozenset({
    "archive", "circuit", "database", "duplicate", "events", "flask", "heartbeat", "index", "instance", "job", "jobs",
    "mail", "metrics", "operation", "order", "orderapp", "orders", "phone", "proxy", "public", "rabbitmq", "reconcile",
    "retry", "secret", "shop", "submission", "task", "tax", "timer", "trusted", "web", "webhooks", "worker",
})
# fmt: on


def prefix_of(system: System) -> str:
    """Return what the names of a system's settings begin with."""
    return system.setting or system.name.upper()


def refuse_impossible(system: System) -> None:
    """Raise ConfigurationError if a system's declaration can't be kept."""
    blocking, query_first = system.part is Part.BLOCKING, system.guarantee is Guarantee.QUERY_FIRST
    idempotent = system.guarantee is Guarantee.IDEMPOTENT
    impossible = {
        "its name has to be one lower-case word of at most 20 characters": not NAME.fullmatch(system.name),
        "its settings would begin with the word of settings of ours": prefix_of(system).lower() in OWN_SETTINGS,
        "what holds something for an order has to be compensable (undo)": (
            system.part is not Part.NOTIFY and not system.can("undo")
        ),
        "an unsafe system can't block, its unknown outcomes need people": (
            blocking and system.guarantee is Guarantee.UNSAFE
        ),
        "query_first without a query (ask)": query_first and not system.can("ask"),
        "query_first takes two calls a run: to ask, then to act or undo (calls_per_run)": (
            query_first and system.calls_per_run < 2
        ),
        "unknown outcomes can't be repeated, it isn't idempotent": (not idempotent and system.repeats.unknown > 0),
        "only an idempotent system answers a key with a stored failure": system.stores_failures and not idempotent,
        "unknown outcomes can't be repeated, their failure is stored under the key": (
            system.stores_failures and system.repeats.unknown > 0
        ),
        "a key answered with a stored failure has to be barred before another is used (undo)": (
            system.stores_failures and not system.can("undo")
        ),
        "only an idempotent system has keys that die (key_window_seconds)": (
            system.key_window_seconds is not None and not idempotent
        ),
        "the customer waits for a blocking system, so it waits for none (after)": blocking and bool(system.after),
        "only work that must happen can cancel its order (on_refusal)": (
            system.part not in (Part.SETTLE, Part.TASK) and system.on_refusal is not OnRefusal.NEEDS_ATTENTION
        ),
        "only a blocking system is asked for discounts (quote)": not blocking and system.can("quote"),
        "a code that can be guessed is looked up before the order (quote)": (
            any(code.guessable for code in system.inputs) and not system.can("quote")
        ),
        "what pays is asked how much (quote)": system.is_payment and not system.can("quote"),
    }
    for reason, found in impossible.items():
        if found:
            raise ConfigurationError(f"system {system.name}: {reason}")


def refuse_impossible_examples(systems: Mapping[str, System], inputs: Mapping[str, Code]) -> None:
    """Raise ConfigurationError if the example of a system has what is no input, or no value of it."""
    for system in systems.values():
        for name, value in system.example.items():
            where = f"system {system.name}: example"
            if name not in inputs:
                raise ConfigurationError(f"{where}: {name!r} isn't an input of any system")
            if mistake := next(inputs[name].mistakes(value, {}), None):
                raise ConfigurationError(f"{where}: {name}: {mistake}")


def refuse_impossible_order(systems: Mapping[str, System]) -> None:
    """Raise ConfigurationError if two systems share settings, or one waits for one without tasks or for itself."""
    first: dict[str, str] = {}
    for system in systems.values():
        if (other := first.setdefault(prefix_of(system), system.name)) != system.name:
            raise ConfigurationError(f"system {system.name}: {prefix_of(system)}_URL is that of the system {other}")
        for name in system.after:
            if name not in systems or systems[name].part is Part.BLOCKING:
                raise ConfigurationError(f"system {system.name}: after: {name} is no system with tasks")
        seen, left = set[str](), list(system.after)
        while left:
            name = left.pop()
            if name == system.name:
                raise ConfigurationError(f"system {system.name}: after: it would wait for itself")
            if name not in seen:
                seen.add(name)
                left += systems[name].after if name in systems else ()
