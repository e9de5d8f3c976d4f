"""The job that compares orders with the systems by itself, once a day unless the settings say otherwise."""

from __future__ import annotations

from orderapp.config import current_settings, reconcile_interval
from orderapp.domain.schedules import Every
from orderapp.services.engine.run_time import OutOfTime
from orderapp.services.reconciliation.mismatches import Difference
from orderapp.services.reconciliation.reconcile import reconcile_nightly
from orderapp.services.reconciliation.runs import Run as Reconciling
from orderapp.services.reconciliation.runs import newest_run
from orderapp.systems.jobs import job
from orderapp.systems.runs import Run
from orderapp.systems.settings import Environment

LOOK_SECONDS = 60.0  # another reconciliation ends, or is known to be dead, within minutes


def interval(env: Environment) -> Every | None:
    """Return how often it runs; None if it is switched off."""
    seconds = reconcile_interval(env)
    return Every(int(seconds)) if seconds else None


@job("reconcile-orders", every=interval, title="Reconciliation", concurrency=1)
def reconcile_orders(run: Run) -> dict[str, int] | str:
    """Compare as many orders as a run has time for; the next run goes on with the others."""
    found = reconcile_nightly(current_settings(), _Telling(run), OutOfTime(run))
    if found is None:
        with run.reading() as session:
            newest = newest_run(session)
        if newest is not None and newest.finished_at is None:
            run.snooze(LOOK_SECONDS, "another reconciliation is under way")
        return "there is nothing to compare yet"
    if not found.finished:
        run.snooze(0, "goes on with the next orders")
    counts = found.counts
    return {"orders": counts.orders, "mismatches": counts.differences, "could not be checked": counts.not_checked}


class _Telling:
    """Logs what a reconciliation finds, and renews the job's lease whenever its progress is saved."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def begun(self, run: Reconciling) -> None:
        self._run.log.info("reconciliation.begun", run=run.id, since=run.since_at.isoformat(), resumed=run.resumed)

    def found(self, difference: Difference) -> None:
        self._run.log.warning(
            "reconciliation.found",
            order=difference.order_number,
            system=difference.system,
            key=difference.key,
            kind=difference.kind.value,
            ours=difference.ours,
            theirs=difference.theirs,
        )

    def reached(self, run: Reconciling) -> None:
        self._run.renew()
