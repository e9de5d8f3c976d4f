"""Deletes the history of jobs that ended long ago, in small parts. What staff have to look after stays."""

from __future__ import annotations

from sqlalchemy import delete, select

from orderapp.config import current_settings
from orderapp.domain.schedules import Daily
from orderapp.domain.states import TaskKind
from orderapp.models import Attempt, Task, db_now
from orderapp.services.db.transactions import writing
from orderapp.systems.jobs import job
from orderapp.systems.runs import Run

SLICE = 500  # a transaction of some tens of milliseconds
DAY_SECONDS = 86_400.0


@job("forget-old-runs", every=Daily("03:40", "UTC"), title="Deleting old runs of jobs", concurrency=1)
def forget_old_runs(run: Run) -> dict[str, int]:
    """Delete tasks of jobs that were done or given up longer than `JOBS_KEPT_DAYS` ago, with their attempts.

    Transaction: one for each SLICE, committed here.
    Idempotent because, If we die here: the next run goes on.
    """
    deleted = 0
    while found := _delete_slice(current_settings().jobs_kept_days):
        deleted += found
        run.renew()
        if not run.goes_on():
            run.snooze(0, "goes on with the next ones")
    return {"deleted": deleted}


def _delete_slice(kept_days: int) -> int:
    ended = (Task.kind == TaskKind.JOB.value, Task.finished_at < db_now(-kept_days * DAY_SECONDS))
    oldest = select(Task.id).where(*ended).order_by(Task.finished_at).limit(SLICE)
    with writing() as session:
        # Locked, because staff may requeue one that they had given up.
        task_ids = session.scalars(oldest.with_for_update(skip_locked=True)).all()
        if task_ids:
            session.execute(delete(Attempt).where(Attempt.task_id.in_(task_ids)))
            session.execute(delete(Task).where(Task.id.in_(task_ids)))
    return len(task_ids)
