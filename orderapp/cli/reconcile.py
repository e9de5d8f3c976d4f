"""`flask reconcile`: compares our orders with what the systems say."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command, one_line
from orderapp.config import current_settings
from orderapp.services.drifts import Difference
from orderapp.services.reconciliation_runs import Run
from orderapp.services.reconciling import reconcile

UNIT_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
MAX_SECONDS = 3660 * 86_400  # ten years: as far back as any bookkeeping has to reach
PROGRESS_SECONDS = 5.0  # a command that says nothing for longer looks dead


class Period(click.ParamType[Any, Any]):
    """A period such as 90m, 24h or 7d, as seconds."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; refuses anything else."""
        found = re.fullmatch(r"([0-9]{1,9})([mhd])", str(value))
        seconds = int(found[1]) * UNIT_SECONDS[found[2]] if found else 0
        if not 0 < seconds <= MAX_SECONDS:
            raise click.ClickException(
                f"--since: {one_line(str(value))!r} is no period such as 90m, 24h or 7d, of ten years at most"
            )
        return float(seconds)


class _Telling:
    """Says on standard output what differs, and on standard error from time to time how far it is."""

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


@click.command("reconcile", cls=Command)
@click.option(
    "--since", "since_seconds", type=Period(), default="24h", show_default=True, help="How far back: m, h, d."
)
@with_appcontext
@click.pass_context
def reconcile_orders(ctx: click.Context, since_seconds: float) -> None:
    """Compare each order of the period with what the systems say is there.

    Prints one line for each difference: order, system, key, what is the matter, what we believe, what the system says.
    Keeps it for the back office, where staff order its repair; orders that differed before, or of which staff have said
    what nobody could prove, are looked at however old they are. Orders that are still under way are passed over.

    A run that was stopped, or died, is gone on with by the next one over the same or a shorter period. While one is
    under way, another refuses to begin. The exit status is 1 where there is a difference, where something could not be
    checked, and where the run didn't come to its end.
    """
    with _stopped_by_signals() as stop:
        run = reconcile(current_settings(), since_seconds, _Telling(), stop)
    counts = run.counts
    click.echo(
        f"orders compared: {counts.orders}, effects: {counts.effects}, differences: {counts.differences}, "
        f"could not be checked: {counts.not_checked}; passed over, still under way: {counts.unsettled}"
    )
    if counts.unaskable:
        click.echo(f"effects of systems that can't be asked: {counts.unaskable}")
    if not run.finished:
        raise click.ClickException("stopped before the end; the next `flask reconcile` goes on from here")
    if counts.differences or counts.not_checked:
        ctx.exit(1)


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """Turn the signals that end a process into a stop in order: what was found is kept, the run is given up."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stop.set()) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
