"""Checks which manual resolutions the systems' answers prove or disprove."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Finding
from orderapp.models import Override, Word, seconds_until
from orderapp.services.reconciliation.compare import Look
from orderapp.services.saga.resolutions import UNPROVEN, settle
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

THERE = frozenset({Finding.IN_PLACE, Finding.PENDING})


def settle_overrides(session: Session, looks: Sequence[Look], systems: Systems) -> None:
    """Close the manual resolutions of these keys that the answers prove or disprove.

    A given-up effect stays unresolved until it is as our rows say it should be.

    Transaction: within the caller's.
    Idempotent because: only an unproven manual resolution is closed.

    Args:
        session: The caller's session.
        looks: Clear answers.
        systems: Say how late an effect may still appear.

    """
    by_key = {look.belief.key: look for look in looks}
    said = session.execute(
        select(Override.id, Override.key, Override.word, (-seconds_until(Override.said_at)).label("age_seconds")).where(
            Override.key.in_(by_key), UNPROVEN
        )
    ).all()
    for row in said:
        look = by_key[row.key]
        proof = _proof(Word(row.word), look, row.age_seconds, systems[look.belief.system])
        if proof:
            settle(session, Override.id == row.id, f"reconciliation: {proof}")


def _proof(word: Word, look: Look, age_seconds: float, system: System) -> str:
    """Return what the answer proves, as text; empty if it proves nothing yet."""
    if look.finding is Finding.ABSENT and age_seconds < system.may_appear_for_seconds:
        return ""  # the effect may still appear
    shown = f"the system shows {look.theirs if look.finding in THERE else 'nothing'}"
    if not look.differs:
        as_said = word is not Word.GIVEN_UP and (look.finding in THERE) is (word is Word.HAPPENED)
        return f"{shown}, {'as said' if as_said else 'as it should be'}"
    if word is Word.GIVEN_UP or look.finding is Finding.PENDING:
        return ""  # the effect is still owed, or the call may still succeed or fail
    return f"{shown}, not what was said"
