"""The timer's third loop: once a day, on one of all hosts, it runs a slow reconciliation."""

from __future__ import annotations

import threading

import structlog
from flask import Flask

from orderapp.config import Settings
from orderapp.errors import DatabaseUnavailable, LeaseLost
from orderapp.services.reconciliation.mismatches import Difference
from orderapp.services.reconciliation.reconcile import reconcile_nightly
from orderapp.services.reconciliation.runs import Run
from orderapp.services.resilience.skipped_items import Kind, skipping

log = structlog.get_logger()

LOOK_SECONDS = 60.0  # a run that is due, or died, starts within a minute


class _Logging:
    """Logs the progress of a reconciliation."""

    def begun(self, run: Run) -> None:
        log.info("reconciliation.begun", run=run.id, since=run.since_at.isoformat(), resumed=run.resumed)

    def found(self, difference: Difference) -> None:
        log.warning(
            "reconciliation.found",
            order=difference.order_number,
            system=difference.system,
            key=difference.key,
            kind=difference.kind.value,
            ours=difference.ours,
            theirs=difference.theirs,
        )

    def reached(self, run: Run) -> None:
        if run.finished:
            log.info("reconciliation.finished", run=run.id, orders=run.counts.orders, found=run.counts.differences)


def reconcile_until(stop: threading.Event, application: Flask, with_settings: Settings) -> None:
    """Reconcile whenever it is due, until stopped. Survive the loss of the database and of the lease."""
    look_seconds = min(LOOK_SECONDS, with_settings.reconcile_interval_seconds)
    while not stop.is_set():
        try:
            with application.app_context(), skipping(Kind.LOOP, "reconciliation"):
                reconcile_nightly(with_settings, _Logging(), stop)
        except LeaseLost:
            log.warning("reconciliation.lease_lost")
        except DatabaseUnavailable as error:
            log.warning("reconciliation.database_unavailable", cause=type(error.__cause__).__name__)
        stop.wait(look_seconds)
