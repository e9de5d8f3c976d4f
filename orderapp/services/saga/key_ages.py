"""The age up to which a key may be used again. Every repeat and every undo checks it."""

from __future__ import annotations

from orderapp.domain.outcome import Answer, Outcome
from orderapp.systems.base import System

KEY_DEAD = Answer(
    Outcome.NOT_SENT,
    "key_dead",
    "the system may have forgotten the key by now, so a repeat could do it twice and an undo could miss it; look there "
    "whether it happened, and mark it so",
    repeatable=False,
)


def may_be_forgotten(system: System, age_seconds: float) -> bool:
    """Return whether the system may forget a key of this age before a call that starts now has ended."""
    window_seconds = system.key_window_seconds
    return window_seconds is not None and age_seconds + system.call_seconds > window_seconds
