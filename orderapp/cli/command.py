"""Commands that end on an expected error with one line on standard error and exit status 1.

The audit records refused acts of commands as it does those of the back office.
"""

from __future__ import annotations

import logging
import os
import pwd
import re
from typing import Any

import click
import structlog
from flask.cli import AppGroup
from sqlalchemy.exc import DatabaseError, DBAPIError

from orderapp.errors import ConfigurationError, DatabaseUnavailable, InvalidRequest, LeaseLost, OrderappError
from orderapp.logs import set_up_logs
from orderapp.services.access.refused_acts import record_refusal
from orderapp.services.db.audit import COMMAND_LINE, Act, clean_reason

# Control characters of a terminal, in texts that other systems wrote, and everything that begins a new line.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# These are no refusals: the act couldn't begin, or couldn't end.
NO_REFUSALS = (ConfigurationError, DatabaseUnavailable, LeaseLost)
MAX_USER_CHARACTERS = 64  # as long as its column
MAX_NAMED_CHARACTERS = 200  # of the subject's name, which may be any text that was typed


class Command(click.Command):
    """A command of ours. Its result goes to standard output, everything else to standard error.

    Args:
        act: Its name in the audit, such as `staff.create`; empty for a command that only shows something.
        on: The kind of its subject in the audit, such as `staff`.
        named_by: The parameter that names the subject, and its name in the audit's details.
    """

    def __init__(
        self, *args: Any, act: str = "", on: str = "", named_by: tuple[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.act, self._on, self._named_by = act, on, named_by

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn an expected error into its one line."""
        # For the person who typed the command; the events are for processes that run unseen.
        set_up_logs(json_lines=False, level=logging.WARNING)
        # pika logs each failed connection with its own traceback.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        # In the log and in the audit: a command has no request, even where it runs in a process that answered some.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(os_user=os_user())
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # A command that words a refusal itself.
            if isinstance(error.__cause__, OrderappError):
                self._keep(ctx, error.__cause__, error.message)
            raise
        except (OrderappError, DatabaseError) as error:
            told = _told(error)
            if isinstance(error, OrderappError):
                self._keep(ctx, error, told)
            raise click.ClickException(told) from error

    def _keep(self, ctx: click.Context, error: OrderappError, why: str) -> None:
        """Record that the act was refused, unless a service did so, or the reason is missing and it is no act."""
        lacks_reason = isinstance(error, InvalidRequest) and error.errors.keys() == {"reason"}
        if not self.act or error.in_audit or lacks_reason or isinstance(error, NO_REFUSALS):
            return
        details = {}
        if self._named_by:
            name, parameter = self._named_by
            details[name] = one_line(str(ctx.params[parameter]))[:MAX_NAMED_CHARACTERS]
        record_refusal(COMMAND_LINE, Act(self.act, self._on, _reason_in(ctx), details=details), why)


class Group(AppGroup):
    """A group of commands of ours."""

    command_class = Command


def _reason_in(ctx: click.Context) -> str:
    try:
        return clean_reason(ctx.params.get("reason", ""))
    except InvalidRequest:
        return ""


def os_user() -> str:
    """Return who typed the command, as the operating system says: `ada`, or `root (sudo by ada)`.

    The environment is trusted only if we are root, as sudo sets it: root has no need to lie.
    """
    user_id = os.getuid()
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:  # containers run under numbers that have no name
        name = f"user {user_id}"
    by = os.environ.get("SUDO_USER", "") if user_id == 0 else ""
    return one_line(f"{name} (sudo by {by})" if by else name)[:MAX_USER_CHARACTERS]


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters, so that it can't forge lines or move the cursor."""
    return UNPRINTABLE.sub(" ", text).strip()


def _told(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
    if isinstance(cause, DBAPIError):
        # The first line says what is wrong; hints and the statement follow.
        reason = str(cause.orig).strip().partition("\n")[0]
        return one_line(f"the database can't be used: {reason}; `flask doctor` tells more")
    if isinstance(error, InvalidRequest):
        told = (f"{field}: {message}" for field, messages in error.errors.items() for message in messages)
        return one_line("; ".join(told))
    return one_line(str(error))
