"""What a system declares about itself, in words."""

from __future__ import annotations

from collections.abc import Iterator

from orderapp.admin.labels import GUARANTEES, duration
from orderapp.admin.titles import system_title
from orderapp.domain.verbs import Verb
from orderapp.systems.base import OnRefusal, Part, System

PARTS = {
    Part.BLOCKING: "While the customer waits",
    Part.SETTLE: "After the order is confirmed: money, must happen",
    Part.TASK: "After the order is confirmed, must happen",
    Part.NOTIFY: "After the order is confirmed, should happen",
}


def declared_by(system: System) -> Iterator[tuple[str, str]]:
    """Yield name and text of each declaration that says something."""
    yield "Called", PARTS[system.part] + ("" if system.configured else "; not configured")
    yield "Needed", "by every order" if system.required else "by the orders that concern it"
    yield "Repeats", GUARANTEES[system.guarantee]
    yield "Can be asked what is in place", "Yes" if system.can(Verb.ASK) else "No"
    yield "Can take it back", "Yes" if system.can(Verb.UNDO) else "No"
    if system.late_window_seconds:
        yield "May still do it after a cut call", f"for {duration(system.late_window_seconds)}"
    if system.key_window_seconds is not None:
        yield "Remembers a key", f"for {duration(system.key_window_seconds)}; no repeat after that without asking"
    if system.part is Part.BLOCKING:
        yield "While the customer waits", _repeats(system)
    else:
        yield "Attempts", _attempts(system)
    yield "A call takes", f"at most {duration(system.call_seconds)}"
    if system.after:
        yield "Begins after", ", ".join(system_title(name) for name in system.after)
    if system.on_refusal is OnRefusal.CANCELS_ORDER:
        yield "If it refuses", "the order is cancelled"
    yield from _limits(system)


def _repeats(system: System) -> str:
    parts = [
        f"{times} {'repeat' if times == 1 else 'repeats'} {when}"
        for times, when in (
            (system.repeats.not_sent, "where nothing was done"),
            (system.repeats.unknown, "without a clear answer"),
        )
        if times
    ]
    return ", ".join(parts) or "No repeats"


def _attempts(system: System) -> str:
    backoff = system.backoff
    longest = duration(backoff.max_seconds)
    return f"{backoff.attempts}, with pauses that grow to {longest}; then staff decide"


def _limits(system: System) -> Iterator[tuple[str, str]]:
    limits = system.limits
    if limits.rate_per_second:
        yield "Agreed rate", f"{limits.rate_per_second:g} calls a second, over all processes"
    if limits.concurrency:
        yield "At the same time", f"{limits.concurrency} tasks"
    if limits.circuit_calls:
        share = f"{limits.circuit_failure_rate:.0%} of its newest {limits.circuit_calls} calls"
        yield "Given a rest", f"when {share} fail"
    if limits.order_slots and system.part is Part.BLOCKING:
        yield "Orders that may wait for it", f"{limits.order_slots} in each web process"
