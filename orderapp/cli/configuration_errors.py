"""Makes `flask` print one line, not a traceback, if the application can't be made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from orderapp.errors import ConfigurationError


@contextmanager
def configuration_in_one_line() -> Iterator[None]:
    """End a `flask` command whose application has a wrong setting with one line on standard error, exit status 1.

    Outside a command the caller that makes the application gets the error.
    """
    try:
        yield
    except ConfigurationError as error:
        if click.get_current_context(silent=True) is None:
            raise
        # Not a ClickException: for `flask --help` Flask prints the traceback of every Exception.
        raise SystemExit(f"orderapp: {error}") from error
