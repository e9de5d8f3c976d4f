"""`flask webhooks`: which addresses and exchanges are told of events."""

from __future__ import annotations

import click

from orderapp.cli.command import Group, one_line
from orderapp.config import current_settings
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.webhooks import acts, subscriptions
from orderapp.services.webhooks.subscriptions import Subscribed

HEADINGS = ("ID", "STATE", "SINCE (UTC)", "EVENTS", "ADDRESS", "WHY")
REASON = click.option("--reason", default="", help="Why; it is kept with your act.")

webhooks = Group("webhooks", help="Addresses that are told of events.")


@webhooks.command("add", act="webhook.add", on="webhook")
@click.argument("url")
@click.option("--events", default="*", show_default=True, help="Such as order.*,mismatch.found; separated by commas.")
def add(url: str, events: str) -> None:
    """Send events that happen from now on to an https:// address, and print the secret that signs them.

    It can't be shown again. `flask webhooks rotate` makes a new one. With exchange:NAME as address, they are published
    to that topic exchange of the broker, unsigned.
    """
    patterns = [pattern.strip() for pattern in events.split(",") if pattern.strip()]
    made = subscriptions.add(url, patterns, COMMAND_LINE, current_settings())
    if made.secret:
        _show(made, "It signs the events of")
    else:
        click.echo(f"Webhook {made.id} publishes to {one_line(url)}.")


@webhooks.command("list")
def list_all() -> None:
    """List the addresses, with their state."""
    table = [HEADINGS]
    for one in subscriptions.in_use():
        since = f"{subscriptions.since(one):%Y-%m-%d %H:%M}"
        why = one_line(one.paused_because or "")
        table.append((str(one.id), subscriptions.state_of(one), since, one.events, one_line(one.url), why))
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    for cells in table:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip())


@webhooks.command("remove", act="webhook.remove", on="webhook", named_by=("webhook", "webhook_id"))
@click.argument("webhook_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@REASON
def remove(webhook_id: int, reason: str) -> None:
    """Send an address nothing any more; what waits for it is dropped."""
    subscriptions.remove(webhook_id, COMMAND_LINE, reason)
    click.echo(f"Webhook {webhook_id} is removed.")


@webhooks.command("rotate", act="webhook.rotate", on="webhook", named_by=("webhook", "webhook_id"))
@click.argument("webhook_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@REASON
def rotate(webhook_id: int, reason: str) -> None:
    """Make a new secret and print it; the old one signs too for 24 hours."""
    _show(subscriptions.rotate(webhook_id, COMMAND_LINE, reason), "For 24 hours the old secret signs too for")


@webhooks.command("pause", act="webhook.pause", on="webhook", named_by=("webhook", "webhook_id"))
@click.argument("webhook_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@click.option("--reason", required=True, help="Why; it is kept with your act.")
def pause(webhook_id: int, reason: str) -> None:
    """Let an address's events wait until it is resumed."""
    subscriptions.pause(webhook_id, COMMAND_LINE, reason)
    click.echo(f"Webhook {webhook_id} is paused: its events wait.")


@webhooks.command("resume", act="webhook.resume", on="webhook", named_by=("webhook", "webhook_id"))
@click.argument("webhook_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@click.option("--reason", required=True, help="Why; it is kept with your act.")
def resume(webhook_id: int, reason: str) -> None:
    """Send an address its events again, those that waited first."""
    acts.resume(webhook_id, COMMAND_LINE, reason)
    click.echo(f"Webhook {webhook_id} is resumed: what waited is sent now.")


def _show(made: Subscribed, about: str) -> None:
    click.echo(made.secret)
    click.echo(f"{about} webhook {made.id}. Keep the secret now: it can't be shown again.", err=True)
