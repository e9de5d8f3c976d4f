"""`flask web`: becomes the web process."""

from __future__ import annotations

import os
import sys

import click
from flask.cli import with_appcontext

from orderapp.cli.command import Command
from orderapp.config import FILES, ROOT, current_settings


@click.command("web", cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@with_appcontext
def web(options: tuple[str, ...]) -> None:
    """Run the web process in the foreground: `gunicorn wsgi:app` with these options, once the settings are right.

    gunicorn reads WEB_CONCURRENCY before it reads anything of ours, and ends with a traceback where it is no number.
    """
    current_settings().require_systems()
    sys.stdout.flush()
    os.chdir(ROOT)
    # gunicorn rejects an empty value; for our settings it means none.
    workers = {"WEB_CONCURRENCY": str(current_settings().web_processes)}
    # Named, since gunicorn by default looks in the current folder; a later option wins.
    settings_file = str(FILES / "gunicorn.conf.py")
    command = [sys.executable, "-m", "gunicorn", "--config", settings_file, "wsgi:app", *options]
    # In place of this process, not as its child: signals and the exit status are the web process's own.
    os.execve(sys.executable, command, {**os.environ, **workers})  # noqa: S606 - no shell is wanted
