"""`flask jobs`: runs a job now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from orderapp.cli.command import Group, one_line
from orderapp.config import current_settings
from orderapp.services.backoffice.job_runs import run_now
from orderapp.services.db.audit import COMMAND_LINE

jobs = Group("jobs", help="Work without an order.")


@jobs.command("run", act="job.run", on="job", named_by=("job", "name"))
@click.argument("name")
@click.argument("arguments", metavar="[KEY=VALUE...]", nargs=-1)
@click.option("--reason", default="", help="Why; it is kept with your act.")
def run(name: str, arguments: tuple[str, ...], reason: str) -> None:
    """Have a job run now, by a worker, beside the planned run of its schedule.

    Each VALUE is a JSON value (7, true, '["a"]'), or else a text.
    """
    task_id = run_now(name, _given(arguments), COMMAND_LINE, reason, current_settings())
    click.echo(f"Task {task_id} of job {one_line(name)} is due now.")


def _given(arguments: Iterable[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for one in arguments:
        key, separator, value = one.partition("=")
        if not separator or not key or key in given:
            why = "is given twice" if separator and key else "isn't KEY=VALUE"
            raise click.UsageError(f"The argument {one_line(one)!r} {why}.")
        given[key] = _value(value)
    return given


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")
