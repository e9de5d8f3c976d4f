"""`flask customers`: what customers may ask of a shop about their data."""

from __future__ import annotations

import click

from orderapp.cli.command import Group
from orderapp.config import current_settings
from orderapp.services.archive.erasing import count
from orderapp.services.archive.erasing import erase as erase_customer
from orderapp.services.db.audit import COMMAND_LINE

customers = Group("customers", help="What is kept of customers.")


# The refusals in the audit don't name the address either.
@customers.command("erase", act="customer.erase", on="customer")
@click.argument("address")
@click.option("--reason", required=True, help="Why, without the address; it is kept with your act.")
@click.option("--dry-run", is_flag=True, help="Only count; change nothing.")
def erase(address: str, reason: str, dry_run: bool) -> None:
    """Erase name, e-mail address, phone and codes of whoever has this address from their ended orders.

    Numbers, lines, amounts and times stay. An order with something open is named and keeps all: run the command again
    once it has ended. The exit status is 1 then. Files of archived orders aren't changed.
    """
    if dry_run:
        done, word = count(address), "orders to erase"
    else:
        done, word = erase_customer(address, COMMAND_LINE, reason, current_settings().systems), "orders erased"
    click.echo(f"{word}: {done.orders}")
    if done.under_way:
        raise click.ClickException(f"still under way, and not erased: {', '.join(done.under_way)}")
