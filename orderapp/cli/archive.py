"""`flask archive`: moves orders that have ended long ago out into a file."""

from __future__ import annotations

import time
from pathlib import Path

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command, one_line
from orderapp.cli.period import Period
from orderapp.cli.stopping import stopped_by_signals
from orderapp.config import current_settings
from orderapp.services.archive.archive import archive
from orderapp.services.db.audit import COMMAND_LINE

PROGRESS_SECONDS = 5.0  # a command that says nothing for longer looks dead


class _Telling:
    """Prints the progress on standard error from time to time."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def moved(self, orders: int) -> None:
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            click.echo(f"{orders} orders moved", err=True)


@click.command("archive", cls=Command, act="orders.archive", on="orders", named_by=("file", "file"))
@click.option("--older-than", "age_seconds", type=Period(), required=True, help="Unchanged for so long: m, h, d.")
@click.option("--to", "file", metavar="FILE", required=True, help="Where they go: made, or added to.")
@with_appcontext
def archive_orders(age_seconds: float, file: str) -> None:
    """Move orders that have ended, and about which nothing is open, out of the database to the end of a file.

    Each is a line of JSON with everything that is known of it, and is deleted once that is on the disk. The file is
    readable by its owner alone: it holds names and addresses. An archived order can't be shown, cancelled or tried
    again any more, so it has to be 31 days old at least. Hashes of its idempotency keys stay: they lead to no other.

    Run again, it goes on; a run that died may leave orders that are in the file twice. The exit status is 1 where it
    didn't come to its end.
    """
    with stopped_by_signals() as stop:
        moved = archive(age_seconds, Path(file), COMMAND_LINE, current_settings(), _Telling().moved, stop)
    click.echo(one_line(f"orders moved to {file}: {moved.orders}"))
    if not moved.finished:
        raise click.ClickException("stopped before the end; run again, it goes on from here")
