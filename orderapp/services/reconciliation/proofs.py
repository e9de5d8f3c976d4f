"""Checks which manual resolutions the systems' answers prove or disprove."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Finding
from orderapp.models import ManualResolution, Resolution, seconds_until
from orderapp.services.reconciliation.compare import Look
from orderapp.services.saga.manual_resolutions import UNPROVEN, end_resolutions
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

THERE = frozenset({Finding.IN_PLACE, Finding.PENDING})


def end_proven(session: Session, looks: Sequence[Look], systems: Systems) -> set[uuid.UUID]:
    """Close the manual resolutions of these keys that the answers prove or disprove.

    A given-up effect stays unresolved until it is as our rows say it should be.

    Transaction: within the caller's.
    Idempotent because: only an unproven manual resolution is closed.

    Args:
        session: The caller's session.
        looks: Clear answers.
        systems: Say how late an effect may still appear.

    Returns:
        The orders of those that were closed.
    """
    by_key = {look.belief.key: look for look in looks}
    said = session.execute(
        select(
            ManualResolution.id,
            ManualResolution.order_id,
            ManualResolution.key,
            ManualResolution.resolution,
            (-seconds_until(ManualResolution.made_at)).label("age_seconds"),
        ).where(ManualResolution.key.in_(by_key), UNPROVEN)
    ).all()
    proven = set()
    for row in said:
        look = by_key[row.key]
        proof = _proof(Resolution(row.resolution), look, row.age_seconds, systems[look.belief.system])
        if proof:
            end_resolutions(session, ManualResolution.id == row.id, f"reconciliation: {proof}")
            proven.add(row.order_id)
    return proven


def _proof(resolution: Resolution, look: Look, age_seconds: float, system: System) -> str:
    """Return what the answer proves, as text; empty if it proves nothing yet."""
    if look.finding is Finding.ABSENT and age_seconds < system.may_appear_for_seconds:
        return ""  # the effect may still appear
    shown = f"the system shows {look.theirs if look.finding in THERE else 'nothing'}"
    if not look.differs:
        as_said = resolution is not Resolution.GIVEN_UP and (look.finding in THERE) is (
            resolution is Resolution.HAPPENED
        )
        return f"{shown}, {'as said' if as_said else 'as it should be'}"
    if resolution is Resolution.GIVEN_UP or look.finding is Finding.PENDING:
        return ""  # the effect is still owed, or the call may still succeed or fail
    return f"{shown}, not what was said"
