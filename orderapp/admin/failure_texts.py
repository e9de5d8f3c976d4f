"""The texts about failed work: whether its system is well now, and how to find out what happened."""

from __future__ import annotations

from collections.abc import Mapping

from orderapp.admin.holdup_texts import what_keeps
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind
from orderapp.services.backoffice.recent_calls import RecentCalls
from orderapp.services.resilience.holdups import Holdup

WELL_FROM = 0.9  # the share of done calls: below it, a repeat may well fail again


def wellness_of(
    kind: TaskKind, system: str, holdups: Mapping[str, Holdup], calls: RecentCalls | None
) -> tuple[str, str]:
    """Return whether a system is well now for tasks of a kind: a tone (good, warn, bad, neutral) and a sentence."""
    title = system_title(system)
    if keeps := what_keeps(kind, system, holdups):
        return "bad", f"A repeat waits now: {keeps.rstrip('.')}."
    if calls is None or calls.success_rate is None:
        return "neutral", f"{title} had too few calls of late to say whether it is well: try one first."
    if calls.success_rate < WELL_FROM:
        return "warn", f"{title} did only {calls.success_rate:.0%} of its newest calls: try one first."
    return "good", f"{title} is well: {calls.success_rate:.0%} of its newest calls were done."


def how_to_check(system: str) -> str:
    """Return how staff find out at a partner whether something happened, as its system's file says; may be empty."""
    known = current_settings().systems.get(system)
    return known.how_to_check if known is not None else ""
