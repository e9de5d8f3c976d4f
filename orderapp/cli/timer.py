"""`flask timer`: becomes the timer process."""

from __future__ import annotations

import os
import sys

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command
from orderapp.config import ROOT, current_settings


@click.command("timer", cls=Command)
@with_appcontext
def timer() -> None:
    """Run the timer in the foreground: recovery, and the relay to the broker. Run as many as you need."""
    current_settings().require_systems()
    sys.stdout.flush()
    # `-m` looks for the package in the current folder.
    os.chdir(ROOT)
    # In place of this process, not as its child: signals and the exit status are the timer's own.
    os.execv(sys.executable, [sys.executable, "-m", "tasks.timer"])  # noqa: S606 - no shell is wanted
