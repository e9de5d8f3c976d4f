"""`flask doctor`: whether everything that the installation depends on is as it should be."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command, one_line
from orderapp.config import current_settings
from orderapp.services.operations.doctor import State, examine


@click.command("doctor", cls=Command)
@with_appcontext
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check configuration, database, broker and each system, and show the jobs, one line each.

    Each is ok, off (not configured), doubtful (it works, but look at it) or wrong; with one wrong the exit status is 1.
    """
    settings = current_settings()
    width = max(len(name) for name in ("configuration", *settings.runnable))
    wrong = False
    for check in examine(settings):
        click.echo(f"{check.name:<{width}}  {check.state.value:<8}  {one_line(check.detail)}".rstrip())
        wrong = wrong or check.state is State.WRONG
    if wrong:
        ctx.exit(1)
