"""Previews an act on several rows: which rows it includes, which it leaves out, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.config import Settings
from orderapp.models import Mismatch, Order, Resolution, Task
from orderapp.services.backoffice import corrections, manual_resolutions, task_actions
from orderapp.services.backoffice.bulk import checked_ids
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of
from orderapp.services.backoffice.risks import Objection
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of a selection."""

    id: int  # the row's id
    order_number: str  # its order; empty for a job
    kind: str  # the kind of the task or mismatch
    system: str  # the system it concerns
    said: str  # a task's last message, or what the system says about a mismatch's effect
    objection: Objection | None  # why it is left out; None if it is included


@dataclass(frozen=True, slots=True)
class Preview:
    """What an act on a selection would do now. Rows that don't exist any more are left out."""

    rows: tuple[PreviewRow, ...]

    @property
    def included(self) -> tuple[PreviewRow, ...]:
        """Return the rows that the act includes."""
        return tuple(row for row in self.rows if row.objection is None)

    @property
    def left_out(self) -> tuple[PreviewRow, ...]:
        """Return the rows that the act leaves out; those that need their own decision come first."""
        out = [row for row in self.rows if row.objection is not None]
        return tuple(sorted(out, key=lambda row: row.objection is None or row.objection.risk is None))


def preview_requeue(task_ids: Iterable[int], settings: Settings) -> Preview:
    """Preview requeueing these tasks. Transaction: reads only. Raises InvalidRequest like the act."""
    return _of_tasks(task_ids, lambda task, seen: task_actions.objection_to_requeue(task, seen, settings))


def preview_cancel(task_ids: Iterable[int]) -> Preview:
    """Preview giving up these tasks. Transaction, Raises: as for `preview_requeue`."""
    return _of_tasks(task_ids, lambda task, _: task_actions.objection_to_cancel(task))


def preview_mark(task_ids: Iterable[int], resolution: Resolution, settings: Settings) -> Preview:
    """Preview this manual resolution of these tasks' effects. Transaction, Raises: as for `preview_requeue`."""
    return _of_tasks(
        task_ids, lambda task, seen: manual_resolutions.objection_to_mark(task, resolution, seen, settings.systems)
    )


def preview_corrections(mismatch_ids: Iterable[int], settings: Settings) -> Preview:
    """Preview correcting these mismatches. Orders that changed meanwhile are refused only by the act itself.

    Transaction, Raises: as for `preview_requeue`.
    """
    ids = checked_ids("mismatch", mismatch_ids)
    with reading() as session:
        mismatches = session.execute(
            select(Mismatch, Order.number)
            .join(Order, Order.id == Mismatch.order_id)
            .where(Mismatch.id.in_(ids))
            .order_by(Mismatch.id.desc())
        ).all()
    return Preview(
        tuple(
            PreviewRow(
                mismatch.id,
                number,
                mismatch.kind,
                mismatch.system,
                mismatch.theirs,
                corrections.objection_to_correction(mismatch, settings.systems),
            )
            for mismatch, number in mismatches
        )
    )


def _of_tasks(task_ids: Iterable[int], judge: Callable[[Task, Circumstances], Objection | None]) -> Preview:
    ids = checked_ids("task", task_ids)
    with reading() as session:
        seen = circumstances_of(session, ids)
        tasks = session.scalars(select(Task).where(Task.id.in_(ids)).order_by(Task.id.desc())).all()
    return Preview(
        tuple(
            PreviewRow(
                task.id,
                seen[task.id].order_number,
                task.kind,
                task.system,
                task.last_message or "",
                judge(task, seen[task.id]),
            )
            for task in tasks
            if task.id in seen  # an order may be archived between the two queries
        )
    )
