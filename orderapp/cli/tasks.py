"""`flask tasks`: lists tasks, and what staff can do with them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click
from sqlalchemy import Select

from orderapp.cli.command import Group, one_line
from orderapp.config import current_settings
from orderapp.domain.states import ItemState, TaskKind, TaskState
from orderapp.errors import InvalidRequest, WrongState
from orderapp.models import Resolution
from orderapp.services.backoffice import manual_resolutions, operations, task_actions
from orderapp.services.backoffice.bulk import Selection
from orderapp.services.backoffice.operation_drafts import NOT_TAKEN, draft
from orderapp.services.backoffice.operation_files import OperationFile, find_operation
from orderapp.services.backoffice.risks import Risk
from orderapp.services.backoffice.task_list import TaskRow, failed_tasks, list_tasks
from orderapp.services.db import audit
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.systems.jobs import can_be_named

MAX_LISTED = 10_000  # for longer lists there is the back office
HEADINGS = ("TASK", "STATE", "KIND", "SYSTEM", "ORDER", "ATTEMPTS", "DUE", "WHY")

DESPITE = click.option(
    "--despite",
    type=click.Choice([risk.value for risk in Risk]),
    help="The risk that you accept, for one task.",
)

tasks = Group("tasks", help="Work that must happen: settle, compensate, notify, jobs.")


@tasks.command("list")
@click.option("--state", type=click.Choice([state.value for state in TaskState]))
@click.option("--kind", type=click.Choice([kind.value for kind in TaskKind]))
@click.option("--system", help="A system's or job's name, as `flask doctor` shows it.")
@click.option("--limit", type=click.IntRange(1, MAX_LISTED), default=50, show_default=True)
def list_some(state: str | None, kind: str | None, system: str | None, limit: int) -> None:
    """List tasks, newest first. `failed` ones need staff."""
    known = current_settings().runnable
    name = system if system is None or can_be_named(system) else ""
    rows = list_tasks(limit, TaskState(state) if state else None, TaskKind(kind) if kind else None, name)
    if system is not None and system not in known and not rows:
        # Tasks may name a system or job that the running version doesn't know.
        raise click.ClickException(f"--system: {one_line(system)!r} is none of {', '.join(known)}")
    table = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    for cells in table:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


@tasks.command("requeue", act="tasks.requeue", on="tasks", named_by=("tasks", "ids"))
@click.argument("ids", metavar="[ID...]", type=int, nargs=-1)
@click.option("--failed", is_flag=True, help="All failed tasks, narrowed by the next options.")
@click.option("--kind", type=click.Choice([kind.value for kind in TaskKind]), help="With --failed: of this kind.")
@click.option("--system", help="With --failed: of this system or job.")
@click.option("--code", help="With --failed: with this cause, as the overview shows it; '-' for none.")
@click.option("--reason", required=True, help="Why; it is kept with your act.")
@DESPITE
@click.pass_context
def requeue(  # noqa: PLR0913 - one parameter for each option
    ctx: click.Context,
    ids: tuple[int, ...],
    failed: bool,
    kind: str | None,
    system: str | None,
    code: str | None,
    reason: str,
    despite: str | None,
) -> None:
    """Make tasks due now, with new attempts. Their earlier attempts stay in the history.

    With --failed, workers do it, one task after the other; `flask operations show` tells what becomes of them.

    A task that could do something twice or end an order is left out and reported; requeue it alone, with --despite.
    """
    if failed is bool(ids):
        raise click.UsageError("Missing argument: either IDs or --failed.")
    if not failed and (kind or system is not None or code is not None):
        raise click.UsageError("--kind, --system and --code narrow --failed; they can't be used with IDs.")
    if failed and despite:
        raise click.UsageError("A risk is accepted for one task: give its ID, without --failed.")
    if failed:
        _start(
            ctx, _failed(kind, system, code), {"State": "Failed", "Kind": kind, "System": system, "Cause": code}, reason
        )
    else:
        _tell(ctx, task_actions.requeue(ids, COMMAND_LINE, reason, current_settings(), _risk(despite)))


@tasks.command("mark", act="task.mark", on="tasks", named_by=("tasks", "ids"))
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--happened", is_flag=True, help="It did.")
@click.option("--not-happened", is_flag=True, help="It didn't, or is no longer there.")
@click.option("--reason", required=True, help="How you know; it is kept with your act.")
@DESPITE
@click.pass_context
def mark(  # noqa: PLR0913 - one parameter for each option
    ctx: click.Context, ids: tuple[int, ...], happened: bool, not_happened: bool, reason: str, despite: str | None
) -> None:
    """Say whether an effect happened that nobody could prove. This stays with the order until something proves it.

    A payment or message that happened is done; one that didn't happen is tried again. A return of something that
    happened is tried now; of something that didn't happen, it is done. If a wrong answer could do something twice or
    end an order, mark one task at a time, with --despite.
    """
    if happened is not_happened:
        raise click.UsageError("Missing option: either --happened or --not-happened.")
    resolution = Resolution.HAPPENED if happened else Resolution.NOT_HAPPENED
    _tell(ctx, manual_resolutions.mark(ids, resolution, COMMAND_LINE, reason, current_settings(), _risk(despite)))


@tasks.command("cancel", act="tasks.cancel", on="tasks", named_by=("tasks", "ids"))
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; it is kept with your act.")
@click.pass_context
def cancel(ctx: click.Context, ids: tuple[int, ...], reason: str) -> None:
    """Give tasks up. This closes the tasks only: what they owe or hold stays counted as unresolved effects."""
    _tell(ctx, task_actions.cancel(ids, COMMAND_LINE, reason))


def _start(ctx: click.Context, failed: Select[int], chosen: Mapping[str, str | None], reason: str) -> None:
    """Start an operation on failed tasks, and say what it leaves out; exit with status 1 if it leaves out any."""
    named = {name: value for name, value in chosen.items() if value}
    audit.clean_reason(reason)  # before anything is written
    try:
        operation_id = draft("requeue", failed, named, COMMAND_LINE, current_settings())
    except InvalidRequest:
        click.echo("No failed task matches.", err=True)
        return
    try:
        operations.start(operation_id, COMMAND_LINE, reason)
    except WrongState:
        _tell_left_out(find_operation(operation_id, current_settings()))
        raise
    # As it was started: the start leaves out what another operation does.
    file = find_operation(operation_id, current_settings())
    _tell_left_out(file)
    not_taken = json.loads(file.operation.chosen).get(NOT_TAKEN)
    if not_taken:
        click.echo(f"Not among them: {not_taken}.", err=True)
    left_out = file.counts.get(ItemState.LEFT_OUT, 0)
    planned = file.operation.total - left_out
    click.echo(f"Operation {operation_id} requeues {planned} task{'s' if planned != 1 else ''}.")
    if left_out or not_taken:
        ctx.exit(1)


def _tell_left_out(file: OperationFile) -> None:
    for why in file.reasons.get(ItemState.LEFT_OUT, ()):
        others = f", and {why.items - 1} more" if why.items > 1 else ""
        click.echo(one_line(f"Left out: task {why.task_id}{others}: {why.said}"), err=True)


def _failed(kind: str | None, system: str | None, code: str | None) -> Select[int]:
    if system is not None and not can_be_named(system):
        raise click.ClickException(
            f"--system: {one_line(system)!r} is none of {', '.join(current_settings().runnable)}"
        )
    if code is not None and not code.isprintable():
        raise click.ClickException(f"--code: {one_line(code)!r} is no cause.")
    return failed_tasks(TaskKind(kind) if kind else None, system, "" if code == "-" else code)


def _risk(despite: str | None) -> Risk | None:
    return Risk(despite) if despite else None


def _tell(ctx: click.Context, selection: Selection) -> None:
    """Print each task's result; exit with status 1 if one was refused."""
    for item in selection.items:
        how = f" To do it all the same, name it alone, with --despite {item.risk.value}." if item.risk else ""
        click.echo(one_line(item.text + how), err=not item.done)
    if not all(item.done for item in selection.items):
        ctx.exit(1)


def _cells(row: TaskRow) -> tuple[str, ...]:
    return (
        str(row.id),
        row.state.value,
        row.kind.value,
        row.system,
        row.order_number or "-",
        f"{row.attempts} of {row.attempt_limit}",
        "" if row.due_in_seconds is None else _due(row.due_in_seconds),
        one_line(row.message),
    )


def _due(seconds: float) -> str:
    amount, unit = abs(seconds), "s"
    for longer, name in ((60, "min"), (3600, "h"), (86_400, "d")):
        if abs(seconds) >= 2 * longer:
            amount, unit = abs(seconds) / longer, name
    return f"in {amount:.0f} {unit}" if seconds > 0 else f"{amount:.0f} {unit} ago"
