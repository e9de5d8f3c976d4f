"""Unresolved effects and unproven marks: manual resolutions that nothing has proven yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from orderapp.domain.verbs import Verb
from orderapp.models import Order, Override, Task, Word, seconds_until
from orderapp.services.db.capped_counts import Count, capped
from orderapp.services.saga.resolutions import UNPROVEN
from orderapp.systems.registry import Systems

SHOWN = 20  # of each sort; the rest is on the pages of the orders
MARKS = (Word.HAPPENED, Word.NOT_HAPPENED)


@dataclass(frozen=True, slots=True)
class UnprovenWord:
    """A manual resolution of an effect, and how long it has been unproven."""

    order_number: str
    task_id: int
    task_kind: str
    system: str
    key: str
    word: str
    actor: str
    reason: str
    age_seconds: float


@dataclass(frozen=True, slots=True)
class UnprovenWords:
    """All unproven manual resolutions, the newest SHOWN of each sort.

    Args:
        debts: Unresolved effects: given up, and owed or perhaps still held.
        debt_count: How many there are.
        marks: Effects marked as happened or not in systems that can be asked, so that reconciliation can prove them.
        mark_count: How many there are.
        unprovable: How many marks concern systems that can't be asked; these stay unproven.

    """

    debts: tuple[UnprovenWord, ...]
    debt_count: Count
    marks: tuple[UnprovenWord, ...]
    mark_count: Count
    unprovable: Count


def look(session: Session, systems: Systems) -> UnprovenWords:
    """Return the unproven manual resolutions. Transaction: reads only, within the caller's."""
    askable = [name for name, system in systems.items() if system.can(Verb.ASK)]
    debts = _ids([Word.GIVEN_UP])
    marks = _ids(MARKS).where(Override.system.in_(askable))
    unprovable = _ids(MARKS).where(Override.system.not_in(askable))
    counts = capped(session, {"debts": debts, "marks": marks, "unprovable": unprovable})
    return UnprovenWords(
        debts=_newest(session, debts),
        debt_count=counts["debts"],
        marks=_newest(session, marks),
        mark_count=counts["marks"],
        unprovable=counts["unprovable"],
    )


def _ids(words: Iterable[Word]) -> Select[int]:
    return select(Override.id).where(UNPROVEN, Override.word.in_([word.value for word in words]))


def _newest(session: Session, ids: Select[int]) -> tuple[UnprovenWord, ...]:
    columns = (
        Order.number,
        Task.id,
        Task.kind,
        Override.system,
        Override.key,
        Override.word,
        Override.actor,
        Override.reason,
        -seconds_until(Override.said_at),
    )
    newest = ids.order_by(Override.id.desc()).limit(SHOWN).subquery()
    rows = session.execute(
        select(*columns)
        .join(newest, newest.c.id == Override.id)
        .join(Task, Task.id == Override.task_id)
        .join(Order, Order.id == Override.order_id)
        .order_by(Override.id.desc())
    )
    return tuple(UnprovenWord(*row) for row in rows)
