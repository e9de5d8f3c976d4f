"""Commands whose expected errors end them with one line on standard error and exit status 1."""

from __future__ import annotations

import logging
import re
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DatabaseError, DBAPIError

from orderapp.errors import DatabaseUnavailable, InvalidRequest, OrderappError
from orderapp.logs import set_up_logs

# Control characters of a terminal, in texts that other systems wrote, and everything that begins a new line.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Command(click.Command):
    """A command of ours. Its result goes to standard output, everything else to standard error."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn an expected error into its one line."""
        # For the person who typed the command; the events are for processes that run unseen.
        set_up_logs(json_lines=False, level=logging.WARNING)
        # It reports each failed connection with a traceback of its own.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        try:
            return super().invoke(ctx)
        except (OrderappError, DatabaseError) as error:
            raise click.ClickException(_told(error)) from error


class Group(AppGroup):
    """A group of commands of ours."""

    command_class = Command


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters, so that it can't forge lines or move the cursor."""
    return UNPRINTABLE.sub(" ", text).strip()


def _told(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
    if isinstance(cause, DBAPIError):
        # Its first line tells what is wrong; what follows are hints and the statement.
        reason = str(cause.orig).strip().partition("\n")[0]
        return one_line(f"the database can't be used: {reason}; `flask doctor` tells more")
    if isinstance(error, InvalidRequest):
        told = (f"{field}: {message}" for field, messages in error.errors.items() for message in messages)
        return one_line("; ".join(told))
    return one_line(str(error))
