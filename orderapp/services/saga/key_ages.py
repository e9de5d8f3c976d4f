"""How old a key may be to be used once more: what every repeat and every undo asks, whoever makes it."""

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
    """Return whether the system may forget a key, first used so long ago, before a call that begins now has ended."""
    window_seconds = system.key_window_seconds
    return window_seconds is not None and age_seconds + system.call_seconds > window_seconds
