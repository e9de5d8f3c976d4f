"""The texts on the card of a failure group: what failed, and whether its system is well now."""

from __future__ import annotations

from orderapp.admin.holdup_texts import what_keeps
from orderapp.admin.titles import system_title
from orderapp.config import current_settings
from orderapp.domain.states import TaskKind
from orderapp.services.backoffice.failure_groups import FailureGroup
from orderapp.services.backoffice.overview import Overview

WELL_FROM = 0.9  # the share of done calls: below it, a repeat may well fail again


def wellness_of(group: FailureGroup, now: Overview) -> tuple[str, str]:
    """Return whether a group's system is well now, as a tone (good, warn, bad, neutral) and a sentence."""
    title = system_title(group.system)
    if keeps := what_keeps(TaskKind(group.kind), group.system, now.holdups):
        return "bad", f"A repeat waits now: {keeps.rstrip('.')}."
    calls = next((one.calls for one in now.systems if one.system.name == group.system), None)
    if calls is None or calls.success_rate is None:
        return "neutral", f"{title} had too few calls of late to say whether it is well: try one first."
    if calls.success_rate < WELL_FROM:
        return "warn", f"{title} did only {calls.success_rate:.0%} of its newest calls: try one first."
    return "good", f"{title} is well: {calls.success_rate:.0%} of its newest calls were done."


def how_to_check(system: str) -> str:
    """Return how staff find out at a partner whether something happened, as its system's file says; may be empty."""
    known = current_settings().systems.get(system)
    return known.how_to_check if known is not None else ""
