"""The kinds of faults, the present fault of each system, and whether a call gets it."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

DO, UNDO, READ = "do", "undo", "read"
SCOPES = {
    "all": frozenset({DO, UNDO, READ}),
    "writes": frozenset({DO, UNDO}),
    "do": frozenset({DO}),
    "undo": frozenset({UNDO}),
    "reads": frozenset({READ}),
}
NONE, MIXED = "none", "mixed"
LONGEST_DETAIL = 200  # room for a list of faults or any Retry-After
LONGEST_SECONDS = 3600  # nothing in a test or a demonstration takes longer


@dataclass(frozen=True)
class FaultKind:
    """What a fault does. `seconds` is its default duration; None: it has no duration."""

    about: str
    seconds: float | None = None
    scope: str = "all"
    mixed: bool = False  # `mixed` draws from these: faults that need no person to end them


HTTP_FAULTS = {
    "down": FaultKind("the connection is reset before anything was done"),
    "slow": FaultKind("does it, then answers after so many seconds", 5, mixed=True),
    "refuses": FaultKind("a final no: 409 refused_by_sandbox; a key that is known keeps its answer", scope="do"),
    "unauthorized": FaultKind("401, as after a change of the token"),
    "rate_limited": FaultKind(
        "429 with Retry-After of so many seconds (or the detail's words), nothing done", 1, mixed=True
    ),
    "unavailable": FaultKind(
        "503 with Retry-After of so many seconds (or the detail's words), nothing done", 1, mixed=True
    ),
    "error_before": FaultKind("500, nothing done", mixed=True),
    "error_after": FaultKind("does it, then answers 500", mixed=True),
    "cut_before": FaultKind("reads the request and closes the connection, nothing done", mixed=True),
    "cut_after": FaultKind("does it, then closes the connection in the middle of the answer", mixed=True),
    "late_effect": FaultKind("closes the connection and does it so many seconds later", 3, scope="writes", mixed=True),
    "garbage": FaultKind("does it, then answers 200 with nonsense (detail: one kind of it)", mixed=True),
    "garbage_before": FaultKind("answers 200 with nonsense, nothing done (detail: one kind of it)", mixed=True),
    "drip": FaultKind("does it, then sends a byte of the answer every so many seconds", 0.4),
    "stall": FaultKind("does it, sends the head of the answer, and the rest after so many seconds", 30),
    "huge": FaultKind("does it, then answers 200 with 20 MB"),
    "gzip_bomb": FaultKind("does it, then answers 200 with 20 KB that unpack to 20 MB"),
    "endless_headers": FaultKind("does it, then sends header after header, 20 MB of them"),
    "continue_flood": FaultKind("does it, then sends '100 Continue' over and over for so many seconds", 10),
    "redirect": FaultKind("302 to the sandbox's own front page, nothing done"),
    MIXED: FaultKind("another fault each time (detail: the names to draw from)"),
}
MAIL_FAULTS = {
    "down": FaultKind("421 instead of a greeting"),
    "slow": FaultKind("takes the message, then answers after so many seconds", 5, mixed=True),
    "refuses": FaultKind("a final no: 550 to every recipient"),
    "later": FaultKind("451 to every recipient: try again later", mixed=True),
    "cut_before": FaultKind("drops the connection at the end of the message, without taking it", mixed=True),
    "error_after": FaultKind("takes the message and drops the connection before saying so", mixed=True),
    MIXED: FaultKind("another fault each time (detail: the names to draw from)"),
}


@dataclass(frozen=True)
class Fault:
    """A fault as it is set: for this share of the calls (0 to 1) of this scope."""

    name: str = NONE
    rate: float = 1
    seconds: float | None = None
    scope: str = ""  # empty: the kind's own
    detail: str = ""


class FaultBoard:
    """The fault of every system, in memory: a restart clears them. Each system has its own seeded random numbers."""

    def __init__(self, kinds: Mapping[str, Mapping[str, FaultKind]], seed: int) -> None:
        self._kinds = kinds
        self._lock = threading.Lock()
        self._faults = dict.fromkeys(kinds, Fault())
        self._random = {system: random.Random(f"{seed}:{system}") for system in kinds}
        self._calls = dict.fromkeys(kinds, 0)
        self._disturbed = dict.fromkeys(kinds, 0)
        self.stopping = threading.Event()  # set when the sandbox stops: ends all waits of faults

    def set(self, system: str, fault: Fault) -> Fault:
        """Give a system this fault from now on, and return it as it will be; ValueError says what is wrong with it."""
        kind = FaultKind("") if fault.name == NONE else self._kinds[system].get(fault.name)
        if kind is None:
            raise ValueError(f"fault must be one of: {', '.join([NONE, *self._kinds[system]])}")
        if not 0 <= fault.rate <= 1:
            raise ValueError("rate must be between 0 and 1")
        if fault.seconds is not None and not 0 <= fault.seconds <= LONGEST_SECONDS:
            raise ValueError(f"seconds must be between 0 and {LONGEST_SECONDS}")
        if (fault.scope or kind.scope) not in SCOPES:
            raise ValueError(f"scope must be one of: {', '.join(SCOPES)}")
        if fault.name == MIXED and not set(_names(fault.detail)) <= self._kinds[system].keys() - {MIXED}:
            raise ValueError("detail must name faults of this system, separated by commas")
        fault = replace(fault, scope=fault.scope or kind.scope)
        with self._lock:
            self._faults[system] = fault
        return fault

    def clear(self) -> None:
        """Take every system's fault away."""
        with self._lock:
            self._faults = dict.fromkeys(self._kinds, Fault())

    def current(self) -> dict[str, dict[str, Any]]:
        """Return each system's fault, and its calls and disturbed calls since the start."""
        with self._lock:
            return {
                system: {
                    "fault": fault.name,
                    "rate": fault.rate,
                    "seconds": fault.seconds,
                    "scope": fault.scope,
                    "detail": fault.detail,
                    "calls": self._calls[system],
                    "disturbed": self._disturbed[system],
                }
                for system, fault in self._faults.items()
            }

    def draw(self, system: str, call: str) -> Fault | None:
        """Return the fault that this call (do, undo, read) gets, with its seconds; None: a proper answer."""
        with self._lock:
            self._calls[system] += 1
            fault = self._faults[system]
            if fault.name == NONE or call not in SCOPES[fault.scope]:
                return None
            if fault.rate < 1 and self._random[system].random() >= fault.rate:
                return None
            if fault.name == MIXED:
                fault = self._one_of_many(system, fault, call)
            self._disturbed[system] += 1
        kind = self._kinds[system][fault.name]
        return replace(fault, seconds=(kind.seconds or 0) if fault.seconds is None else fault.seconds)

    def choice(self, system: str, options: tuple[str, ...]) -> str:
        """Choose one of the options with the system's random numbers."""
        with self._lock:
            return self._random[system].choice(options)

    def _one_of_many(self, system: str, mixed: Fault, call: str) -> Fault:
        kinds = self._kinds[system]
        names = _names(mixed.detail) or [name for name, kind in kinds.items() if kind.mixed]
        fitting = [name for name in names if call in SCOPES[kinds[name].scope]] or names
        return Fault(self._random[system].choice(fitting), seconds=mixed.seconds, scope=mixed.scope)


def fault_of(values: Mapping[str, Any]) -> Fault:
    """Read a fault from JSON or a form; ValueError says what is wrong with it."""
    words = {name: values.get(name) or "" for name in ("scope", "detail")}
    name = values.get("fault") or NONE
    if not all(isinstance(word, str) for word in (name, *words.values())):
        raise ValueError("fault, scope and detail must be text")
    if len(words["detail"]) > LONGEST_DETAIL or not (words["detail"].isascii() and words["detail"].isprintable()):
        raise ValueError(f"detail must be printable ASCII of at most {LONGEST_DETAIL} characters")
    rate, seconds = values.get("rate"), values.get("seconds")
    return Fault(
        name,
        rate=1 if rate in (None, "") else number(rate, "rate"),
        seconds=None if seconds in (None, "") else number(seconds, "seconds"),
        **words,
    )


def number(value: object, name: str) -> float:
    """Return a finite number from JSON or a form; ValueError names it otherwise."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number")
    try:
        result = float(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be a number") from error
    if not math.isfinite(result):
        raise ValueError(f"{name} must be a finite number")
    return result


def _names(detail: str) -> list[str]:
    return [name.strip() for name in detail.split(",") if name.strip()]
