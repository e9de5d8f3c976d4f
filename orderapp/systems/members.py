"""Refuses a system whose class lacks a member, has one of a wrong type or arguments, or one that is misspelt."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from orderapp.domain.inputs import Code
from orderapp.domain.outcome import Outcome
from orderapp.domain.retry import Backoff, Guarantee
from orderapp.domain.states import News
from orderapp.errors import ConfigurationError
from orderapp.systems.base import Errand, OnRefusal, Part, Progress, Repeats, System
from orderapp.systems.keyed import HttpSystem, KeyedSystem
from orderapp.systems.sandboxes import Sandbox

# One wrong, missing or superfluous letter in a word of six or more is above it, another word is below it.
ALIKE = 0.85


def _whole_from(least: int) -> Callable[[Any], bool]:
    return lambda one: type(one) is int and one >= least  # for isinstance, True would be an int too


def _is_seconds(one: Any) -> bool:
    return type(one) in (int, float) and math.isfinite(one) and one >= 0


def _is_text(one: Any) -> bool:
    return isinstance(one, str)


def _is_word(one: Any) -> bool:
    return isinstance(one, str) and bool(one.strip())


def _tuple_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda many: isinstance(many, tuple) and all(map(is_right, many))


def _maps_to(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda given: (
        isinstance(given, Mapping) and all(isinstance(key, str) and is_right(value) for key, value in given.items())
    )


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda one: isinstance(one, kind)


def _is_repeats(one: Any) -> bool:
    counts = isinstance(one, Repeats) and _whole_from(0)(one.not_sent) and _whole_from(0)(one.unknown)
    return counts and _is_seconds(one.pause_seconds)


def _is_sandbox(one: Any) -> bool:
    right = isinstance(one, Sandbox) and callable(one.routes) and _maps_to(_is(Mapping))(one.rows)
    return one is None or (right and _tuple_of(_is_text)(one.undo_paths))


def _is_window(one: Any) -> bool:
    return one is None or _is_seconds(one)


# What a class declares: what it has to be, and whether a value is that.
_SYSTEM: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("a str", _is_text),  # which one, `refuse_impossible` says
    "title": ("a str that isn't empty", _is_word),
    "part": ("a Part", _is(Part)),
    "guarantee": ("a Guarantee", _is(Guarantee)),
    "inputs": ("a tuple of Code", _tuple_of(_is(Code))),
    "refusals": ("a mapping of codes to sentences", _maps_to(_is_text)),
    "tells": ("a tuple of News", _tuple_of(_is(News))),
    "translations": ("a mapping of language codes to mappings of texts", _maps_to(_maps_to(_is_text))),
    "example": ("a mapping of inputs to texts", _maps_to(_is_text)),
    "is_payment": ("a bool", _is(bool)),
    "after": ("a tuple of names of systems", _tuple_of(_is_text)),
    "on_refusal": ("an OnRefusal", _is(OnRefusal)),
    "progress": ("a Progress of texts", lambda one: isinstance(one, Progress) and _tuple_of(_is_text)(one)),
    "errand": ("an Errand of texts", lambda one: isinstance(one, Errand) and _tuple_of(_is_text)(one)),
    "how_to_check": ("a str", _is_text),
    "required": ("a bool", _is(bool)),
    "position": ("an int", lambda one: type(one) is int),
    "repeats": ("a Repeats of numbers from 0 on", _is_repeats),
    "late_window_seconds": ("a number from 0 on", _is_seconds),
    "calls_per_run": ("an int from 1 on", _whole_from(1)),
    "stores_failures": ("a bool", _is(bool)),
    "key_window_seconds": ("a number from 0 on, or None", _is_window),
    "sandbox": ("a Sandbox with routes, rows and a tuple of undo_paths, or None", _is_sandbox),
    "setting": ("a str", _is_text),
}
_MEMBERS: Mapping[Any, Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    System: _SYSTEM,
    HttpSystem: {"check_path": ("a path that begins with /", lambda one: _is_text(one) and one.startswith("/"))},
    KeyedSystem: dict.fromkeys(("collection", "noun", "done_state"), ("a str that isn't empty", _is_word)),
}
# What an instance has besides, once `__init__` or `from_environment` is done.
_INSTANCE: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "late_window_seconds": _SYSTEM["late_window_seconds"],
    "key_window_seconds": _SYSTEM["key_window_seconds"],
    "configured": ("a bool", _is(bool)),
    "call_seconds": ("a number from 0 on", _is_seconds),
    "backoff": ("a Backoff", _is(Backoff)),
}


def refuse_incomplete(kind: type[System]) -> None:
    """Raise ConfigurationError if a class lacks a member that it must have, or has a wrong or misspelt one."""
    if missing := sorted(kind.__abstractmethods__):
        raise _refused(kind, f"{', '.join(missing)} isn't written yet")
    for base in (one for one in _MEMBERS if issubclass(kind, one)):
        _refuse_wrong(kind, _MEMBERS[base], lambda member: inspect.getattr_static(kind, member, None))
        for method in _methods_of(base):
            _refuse_another_method(kind, base, method)
    for member, meant in _misspelt(kind):
        raise _refused(kind, f"{member} is no member of a system; {meant} is meant, or write _{member} if it is yours")


def refuse_unmade(system: System) -> None:
    """Raise ConfigurationError if what a class made from its settings lacks a member, or has a wrong one."""
    kind = type(system)
    _refuse_wrong(kind, _INSTANCE, lambda member: getattr(system, member, None))
    if isinstance(system, KeyedSystem):
        states: object = system.other_states()
        if not _maps_to(_is(Outcome))(states):
            raise _refused(kind, f"other_states has to return a mapping of states to Outcome, and returns {states!r}")


def _refused(kind: type[System], reason: str) -> ConfigurationError:
    return ConfigurationError(f"system {kind.__module__}.{kind.__qualname__}: {reason}")


def _refuse_wrong(
    kind: type[System], wanted: Mapping[str, tuple[str, Callable[[Any], bool]]], found_in: Callable[[str], Any]
) -> None:
    for member, (what, is_right) in wanted.items():
        found = found_in(member)
        if not isinstance(found, property) and not is_right(found):
            raise _refused(kind, f"{member} has to be {what}, and is {found!r}")


def _methods_of(base: type[System]) -> Iterator[str]:
    for name, value in vars(base).items():
        if not name.startswith("_") and isinstance(value, classmethod) | inspect.isfunction(value):
            yield name


def _refuse_another_method(kind: type[System], base: type[System], name: str) -> None:
    """Raise ConfigurationError if what a class has instead of a method isn't one, or can't take its arguments."""
    ours, theirs = vars(base)[name], inspect.getattr_static(kind, name)
    if not callable(theirs) and not isinstance(theirs, classmethod | staticmethod):
        raise _refused(kind, f"{name} has to be a method, and is {theirs!r}")
    first = () if isinstance(theirs, classmethod | staticmethod) else (None,)  # bound below, or has no self
    try:
        takes = inspect.signature(getattr(kind, name))
    except ValueError:  # of a callable that Python can't describe
        return
    asked = list(inspect.signature(getattr(ours, "__func__", ours)).parameters.values())[1:]
    given = [one.name for one in asked if one.kind is one.POSITIONAL_OR_KEYWORD]
    try:
        takes.bind(*first, *given)
    except TypeError as error:
        raise _refused(kind, f"{name} has to take {', '.join(('self', *given))} ({error})") from None


def _misspelt(kind: type[System]) -> Iterator[tuple[str, str]]:
    """Yield each public member that no system has but for a letter, with the one that is meant."""
    ours = {name for base in kind.__mro__ if base.__module__.startswith("orderapp.") for name in _public(base)}
    theirs = {name for base in kind.__mro__ if not base.__module__.startswith("orderapp.") for name in _public(base)}
    for member in sorted(theirs - ours):
        # A class that has the right one too means something else by the other.
        for meant in get_close_matches(member, ours - theirs, 1, ALIKE):
            yield member, meant


def _public(base: type) -> set[str]:
    return {name for name in (*vars(base), *inspect.get_annotations(base)) if not name.startswith("_")}
