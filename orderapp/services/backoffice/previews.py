"""What an act on several rows would do, before it is done: which rows it is for, which it leaves out, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import select

from orderapp.config import Settings
from orderapp.models import Drift, Order, Task, Word
from orderapp.services.backoffice import corrections, resolutions, task_actions
from orderapp.services.backoffice.bulk import checked_ids
from orderapp.services.backoffice.circumstances import Circumstances, circumstances_of
from orderapp.services.backoffice.risks import Objection
from orderapp.services.db.transactions import reading


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of a selection: what it is, what is known of it, and what is against the act; None where nothing is.

    Args:
        id: The row's id.
        order_number: Its order.
        kind: A task's kind, or a drift's.
        system: The system it is about.
        said: A task's last message, or what the system says of a drift's effect.
        objection: Why it is left out.

    """

    id: int
    order_number: str
    kind: str
    system: str
    said: str
    objection: Objection | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A selection as it would be acted on at this moment. Rows that are gone from the tables aren't in it."""

    rows: tuple[PreviewRow, ...]

    @property
    def included(self) -> tuple[PreviewRow, ...]:
        """Return what the act is for."""
        return tuple(row for row in self.rows if row.objection is None)

    @property
    def left_out(self) -> tuple[PreviewRow, ...]:
        """Return what the act leaves out: first what has to be decided one by one."""
        out = [row for row in self.rows if row.objection is not None]
        return tuple(sorted(out, key=lambda row: row.objection is None or row.objection.risk is None))


def preview_requeue(task_ids: Iterable[int], settings: Settings) -> Preview:
    """Say what requeueing these tasks would do. Transaction: reads only. Raises InvalidRequest as the act does."""
    return _of_tasks(task_ids, lambda task, seen: task_actions.objection_to_requeue(task, seen, settings.systems))


def preview_cancel(task_ids: Iterable[int]) -> Preview:
    """Say what giving these tasks up would do. Transaction, Raises: as for `preview_requeue`."""
    return _of_tasks(task_ids, lambda task, _: task_actions.objection_to_cancel(task))


def preview_mark(task_ids: Iterable[int], word: Word, settings: Settings) -> Preview:
    """Say what giving this word on these tasks' effects would do. Transaction, Raises: as for `preview_requeue`."""
    return _of_tasks(task_ids, lambda task, seen: resolutions.objection_to_mark(task, word, seen, settings.systems))


def preview_repair(drift_ids: Iterable[int], settings: Settings) -> Preview:
    """Say what repairing these drifts would do, but for orders that have gone on, which are refused in the act.

    Transaction, Raises: as for `preview_requeue`.
    """
    ids = checked_ids("drift", drift_ids)
    with reading() as session:
        drifts = session.execute(
            select(Drift, Order.number)
            .join(Order, Order.id == Drift.order_id)
            .where(Drift.id.in_(ids))
            .order_by(Drift.id.desc())
        ).all()
    return Preview(
        tuple(
            PreviewRow(
                drift.id,
                number,
                drift.kind,
                drift.system,
                drift.theirs,
                corrections.objection_to_repair(drift, settings.systems),
            )
            for drift, number in drifts
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
            if task.id in seen  # an order may be archived in between
        )
    )
