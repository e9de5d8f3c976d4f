"""`flask reconcile`: compares our orders with what the systems say."""

from __future__ import annotations

import time

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command, one_line
from orderapp.cli.period import Period
from orderapp.cli.stopping import stopped_by_signals
from orderapp.config import current_settings
from orderapp.services.reconciliation.mismatches import Difference
from orderapp.services.reconciliation.reconcile import reconcile
from orderapp.services.reconciliation.runs import Run

PROGRESS_SECONDS = 5.0  # a command that says nothing for longer looks dead


class _Telling:
    """Prints mismatches on standard output, and from time to time the progress on standard error."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def begun(self, run: Run) -> None:
        if run.resumed:
            click.echo(
                f"going on with the run begun at {run.started_at:%Y-%m-%d %H:%M:%S} UTC, over orders since "
                f"{run.since_at:%Y-%m-%d %H:%M:%S} UTC, of which {run.counts.orders} are compared",
                err=True,
            )

    def found(self, difference: Difference) -> None:
        told = f"we believe: {difference.ours}; the system says: {difference.theirs}"
        head = f"{difference.order_number}  {difference.system}  {difference.key}  {difference.kind.value}"
        click.echo(one_line(f"{head}: {told}"))

    def reached(self, run: Run) -> None:
        if run.reached and time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            click.echo(f"{run.counts.orders} orders compared, up to {run.reached[0]:%Y-%m-%d %H:%M:%S} UTC", err=True)


@click.command("reconcile", cls=Command, act="orders.reconcile", on="orders")
@click.option(
    "--since", "since_seconds", type=Period(), default="24h", show_default=True, help="How far back: m, h, d."
)
@with_appcontext
@click.pass_context
def reconcile_orders(ctx: click.Context, since_seconds: float) -> None:
    """Compare each order of the period with what the systems say is there.

    Prints one line for each mismatch: order, system, key, kind, what our ledger says, what the system says. Staff order
    its correction in the back office. Orders with an open mismatch or an unproven manual resolution are compared
    whatever their age. Orders that are still in progress are left out.

    If a run was stopped or died, the next one over the same or a shorter period continues it. While one is running,
    another one refuses to start. The exit status is 1 if there is a mismatch, if something could not be checked, or if
    the run didn't reach its end.
    """
    with stopped_by_signals() as stop:
        run = reconcile(current_settings(), since_seconds, _Telling(), stop)
    counts = run.counts
    click.echo(
        f"orders compared: {counts.orders}, effects: {counts.effects}, mismatches: {counts.differences}, "
        f"could not be checked: {counts.not_checked}; left out, still in progress: {counts.in_progress}"
    )
    if counts.unaskable:
        click.echo(f"effects of systems that can't be asked: {counts.unaskable}")
    if not run.finished:
        raise click.ClickException("stopped before the end; the next `flask reconcile` continues from here")
    if counts.differences or counts.not_checked:
        ctx.exit(1)
