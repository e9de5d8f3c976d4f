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
@click.option("--older-than", "age_seconds", type=Period(), required=True, help="Unchanged for this long: 12h, 90d.")
@click.option("--to", "file", metavar="FILE", required=True, help="The file to append to; created if missing.")
@with_appcontext
def archive_orders(age_seconds: float, file: str) -> None:
    """Move ended orders with nothing open out of the database to the end of a file.

    Each order becomes a line of JSON with all its rows, and is deleted once the line is on the disk. Only the file's
    owner may read it: it holds names and addresses. An archived order can't be shown, cancelled or retried any more,
    so it must be at least 31 days old. Hashes of its idempotency keys stay, so that no key is used again.

    If a run was stopped, the next one continues it; if it died, some orders may be in the file twice. The exit status
    is 1 if it didn't reach its end.
    """
    with stopped_by_signals() as stop:
        moved = archive(age_seconds, Path(file), COMMAND_LINE, current_settings(), _Telling().moved, stop)
    click.echo(one_line(f"orders moved to {file}: {moved.orders}"))
    if not moved.finished:
        raise click.ClickException("stopped before the end; run it again to continue")
