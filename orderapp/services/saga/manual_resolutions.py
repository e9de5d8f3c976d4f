"""Manual resolutions: what staff say about effects. Each stays unproven until something proves or disproves it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, SQLColumnExpression, exists, insert, update
from sqlalchemy.orm import Session

from orderapp.models import ManualResolution, Resolution, Task, db_now
from orderapp.services.db.audit import Actor

MAX_ENDED_BY_CHARACTERS = 200  # as long as its column
UNPROVEN = ManualResolution.ended_at.is_(None)
PAST = {
    Resolution.HAPPENED: "marked as happened",
    Resolution.NOT_HAPPENED: "marked as not happened",
    Resolution.GIVEN_UP: "given up",
}


def say(session: Session, task: Task, resolution: Resolution, actor: Actor, reason: str) -> None:
    """Write a manual resolution of a task's effect; it replaces an earlier one. Transaction: within the caller's."""
    end_resolutions(session, ManualResolution.task_id == task.id, f"taken back by {actor.name}: {PAST[resolution]}")
    session.execute(
        insert(ManualResolution).values(
            order_id=task.order_id,
            task_id=task.id,
            system=task.system,
            key=task.key,
            resolution=resolution.value,
            reason=reason,
            actor=actor.name,
            made_at=db_now(),
        )
    )


def end_resolutions(session: Session, which: ColumnElement[bool], by: str) -> int:
    """Close manual resolutions that were proved, disproved or withdrawn, and record by what.

    Transaction: within the caller's. A caller that also locks the order or the task must do so first.
    Idempotent because: a manual resolution is closed once.

    Returns:
        How many were closed.
    """
    statement = update(ManualResolution).where(which, UNPROVEN)
    settled = statement.values(ended_at=db_now(), ended_by=by[:MAX_ENDED_BY_CHARACTERS])
    return session.connection().execute(settled).rowcount


def has_unproven_resolution(task_id: SQLColumnExpression[int]) -> ColumnElement[bool]:
    """Return the condition that a task's effect has an unproven manual resolution."""
    return exists().where(ManualResolution.task_id == task_id, UNPROVEN)
