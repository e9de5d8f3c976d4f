"""Unresolved effects and unproven marks: manual resolutions that nothing has proven yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from orderapp.domain.verbs import Verb
from orderapp.models import ManualResolution, Order, Resolution, Task, seconds_until
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.saga.manual_resolutions import UNPROVEN
from orderapp.systems.registry import Systems

SHOWN = 20  # of each sort; the rest is on the pages of the orders
MARKS = (Resolution.HAPPENED, Resolution.NOT_HAPPENED)


@dataclass(frozen=True, slots=True)
class UnprovenResolution:
    """A manual resolution of an effect, and how long it has been unproven."""

    order_number: str
    task_id: int
    task_kind: str
    system: str
    key: str
    resolution: str
    actor: str
    reason: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class UnprovenResolutions:
    """All unproven manual resolutions, the newest SHOWN of each sort."""

    unresolved: tuple[UnprovenResolution, ...]  # unresolved effects: given up, and owed or perhaps still held
    unresolved_count: Count  # how many there are
    # Effects marked as happened or not in systems that can be asked, so that reconciliation can prove them.
    marks: tuple[UnprovenResolution, ...]
    mark_count: Count  # how many there are
    unprovable: Count  # how many marks concern systems that can't be asked; these stay unproven


def look(session: Session, systems: Systems) -> UnprovenResolutions:
    """Return the unproven manual resolutions. Transaction: reads only, within the caller's."""
    askable = [name for name, system in systems.items() if system.can(Verb.ASK)]
    unresolved = _ids([Resolution.GIVEN_UP])
    marks = _ids(MARKS).where(ManualResolution.system.in_(askable))
    unprovable = _ids(MARKS).where(ManualResolution.system.not_in(askable))
    counts = capped(session, {"unresolved": unresolved, "marks": marks, "unprovable": unprovable})
    return UnprovenResolutions(
        unresolved=_newest(session, unresolved),
        unresolved_count=counts["unresolved"],
        marks=_newest(session, marks),
        mark_count=counts["marks"],
        unprovable=counts["unprovable"],
    )


def _ids(resolutions: Iterable[Resolution]) -> Select[int]:
    return select(ManualResolution.id).where(
        UNPROVEN, ManualResolution.resolution.in_([resolution.value for resolution in resolutions])
    )


def _newest(session: Session, ids: Select[int]) -> tuple[UnprovenResolution, ...]:
    columns = (
        Order.number,
        Task.id,
        Task.kind,
        ManualResolution.system,
        ManualResolution.key,
        ManualResolution.resolution,
        ManualResolution.actor,
        ManualResolution.reason,
        -seconds_until(ManualResolution.made_at),
    )
    newest = ids.order_by(ManualResolution.id.desc()).limit(SHOWN).subquery()
    rows = session.execute(
        select(*columns)
        .join(newest, newest.c.id == ManualResolution.id)
        .join(Task, Task.id == ManualResolution.task_id)
        .join(Order, Order.id == ManualResolution.order_id)
        .order_by(ManualResolution.id.desc())
    )
    return tuple(UnprovenResolution(*row) for row in rows)
