"""Manual resolutions: what staff say about effects. Each stays unproven until something proves or disproves it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, insert, update
from sqlalchemy.orm import Session

from orderapp.models import Override, Task, Word, db_now
from orderapp.services.db.audit import Actor

MAX_SETTLED_BY_CHARACTERS = 200  # as long as its column
UNPROVEN = Override.settled_at.is_(None)
PAST = {
    Word.HAPPENED: "marked as happened",
    Word.NOT_HAPPENED: "marked as not happened",
    Word.GIVEN_UP: "given up",
}


def say(session: Session, task: Task, word: Word, actor: Actor, reason: str) -> None:
    """Write a manual resolution of a task's effect; it replaces an earlier one. Transaction: within the caller's."""
    settle(session, Override.task_id == task.id, f"taken back by {actor.name}: {PAST[word]}")
    session.execute(
        insert(Override).values(
            order_id=task.order_id,
            task_id=task.id,
            system=task.system,
            key=task.key,
            word=word.value,
            reason=reason,
            actor=actor.name,
            said_at=db_now(),
        )
    )


def settle(session: Session, which: ColumnElement[bool], by: str) -> int:
    """Close manual resolutions that were proved, disproved or withdrawn, and record by what.

    Transaction: within the caller's. A caller that also locks the order or the task must do so first.
    Idempotent because: a manual resolution is closed once.

    Returns:
        How many were closed.

    """
    statement = update(Override).where(which, UNPROVEN)
    settled = statement.values(settled_at=db_now(), settled_by=by[:MAX_SETTLED_BY_CHARACTERS])
    return session.connection().execute(settled).rowcount


def has_unproven_word(task_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Return the condition that a task's effect has an unproven manual resolution."""
    return exists().where(Override.task_id == task_id, UNPROVEN)
