"""Refuses declarations of systems that are incomplete, of the wrong type, or can't be kept."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from orderapp.domain.inputs import Code
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import News
from orderapp.errors import ConfigurationError
from orderapp.systems.base import NAME, Errand, OnRefusal, Part, Progress, Repeats, System

# What a class declares, and of which type; the first four have no default.
_TYPES: Mapping[str, type] = {
    "name": str,
    "title": str,
    "part": Part,
    "guarantee": Guarantee,
    "inputs": tuple,
    "refusals": Mapping,
    "tells": tuple,
    "translations": Mapping,
    "example": Mapping,
    "is_payment": bool,
    "after": tuple,
    "on_refusal": OnRefusal,
    "progress": Progress,
    "errand": Errand,
    "required": bool,
    "position": int,
    "repeats": Repeats,
    "calls_per_run": int,
    "stores_failures": bool,
    "setting": str,
}


def refuse_incomplete(kind: type[System]) -> None:
    """Raise ConfigurationError if a class lacks a member that it must have, or has one of a wrong type."""
    where = f"system {kind.__module__}.{kind.__qualname__}"
    if missing := sorted(kind.__abstractmethods__):
        raise ConfigurationError(f"{where}: {', '.join(missing)} isn't written yet")
    for member, wanted in _TYPES.items():
        found: Any = inspect.getattr_static(kind, member, None)
        if not isinstance(found, wanted):
            raise ConfigurationError(f"{where}: {member} has to be a {wanted.__name__}, and is {found!r}")
    if not all(isinstance(one, Code) for one in kind.inputs):
        raise ConfigurationError(f"{where}: inputs has to be a tuple of Code")
    by_language = kind.translations.values()
    if not all(isinstance(texts, Mapping) for texts in by_language) or not all(
        isinstance(text, str) for texts in by_language for pair in texts.items() for text in pair
    ):
        raise ConfigurationError(f"{where}: translations has to map language codes to mappings of texts")
    if not all(isinstance(one, News) for one in kind.tells):
        raise ConfigurationError(f"{where}: tells has to be a tuple of News")
    if not all(isinstance(text, str) for pair in kind.refusals.items() for text in pair):
        raise ConfigurationError(f"{where}: refusals has to map codes to sentences")


def refuse_impossible(system: System) -> None:
    """Raise ConfigurationError if a system's declaration can't be kept."""
    blocking, query_first = system.part is Part.BLOCKING, system.guarantee is Guarantee.QUERY_FIRST
    idempotent = system.guarantee is Guarantee.IDEMPOTENT
    impossible = {
        "its name has to be one lower-case word of at most 20 characters": not NAME.fullmatch(system.name),
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


def refuse_impossible_order(systems: Mapping[str, System]) -> None:
    """Raise ConfigurationError if a system waits for one that has no tasks, or two wait for each other."""
    for system in systems.values():
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
