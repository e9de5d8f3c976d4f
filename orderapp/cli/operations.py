"""`flask operations`: what staff have had done to many tasks, and what became of each."""

from __future__ import annotations

from collections.abc import Callable

import click

from orderapp.cli.command import Group, one_line
from orderapp.config import current_settings
from orderapp.domain.states import ItemState
from orderapp.services.backoffice import operations as acts
from orderapp.services.backoffice.operation_files import find_operation, newest_operations
from orderapp.services.backoffice.operation_outcomes import in_words
from orderapp.services.db.audit import COMMAND_LINE, Actor

HEADINGS = ("ID", "STATE", "STARTED (UTC)", "WHAT", "WHO", "WHAT BECAME OF THEM")
REASON = click.option("--reason", required=True, help="Why; it is kept with your act.")
NUMBER = click.argument("operation_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))

operations = Group("operations", help="One act on many tasks.")


@operations.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def list_some(limit: int) -> None:
    """List the newest operations that were started."""
    table = [HEADINGS]
    for one, counts in newest_operations(limit):
        started = f"{one.started_at:%Y-%m-%d %H:%M}" if one.started_at is not None else ""
        what = f"{one.act.replace('_', ' ')} {one.total} tasks"
        table.append((str(one.id), one.state, started, what, one_line(one.actor), in_words(counts)))
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    for cells in table:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


@operations.command("show")
@NUMBER
def show(operation_id: int) -> None:
    """Show how far one is, and why tasks failed again or were left out."""
    file = find_operation(operation_id, current_settings())
    click.echo(f"{file.operation.state}: {in_words(file.counts)}")
    for state in (ItemState.FAILED, ItemState.REFUSED, ItemState.OPEN, ItemState.LEFT_OUT):
        for reason in file.reasons.get(state, ()):
            told = f"{in_words({state: reason.items})}: {one_line(reason.said)} (task {reason.task_id}"
            click.echo(f"{told}{', and others' if reason.items > 1 else ''})")


def _act(name: str, text: str, done: str, do: Callable[[int, Actor, str], None]) -> None:
    @operations.command(
        name, act=f"operation.{name}", on="operation", named_by=("operation", "operation_id"), help=text
    )
    @NUMBER
    @REASON
    def act(operation_id: int, reason: str) -> None:
        do(operation_id, COMMAND_LINE, reason)
        click.echo(f"Operation {operation_id} {done}.")


_act("pause", "Let the tasks wait whose turn is still to come.", "is paused", acts.pause)
_act("resume", "Go on with a paused one.", "goes on", acts.resume)
_act("stop", "Do nothing to the tasks whose turn is still to come.", "is stopped", acts.stop)
