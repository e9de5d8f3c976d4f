"""`flask tokens`: who may use the API."""

from __future__ import annotations

import click

from orderapp.cli.command import Group, one_line
from orderapp.services.access import api_tokens
from orderapp.services.access.api_tokens import list_clients

tokens = Group("tokens", help="Who may use the API.")


@tokens.command("create", act="token.create", on="API token", named_by=("client", "name"))
@click.argument("name")
def create(name: str) -> None:
    """Create a token for an API client and print it. It can't be shown again.

    A client whose token was revoked keeps its name and its orders under the new one.
    """
    token = api_tokens.create(name)
    click.echo(token)
    click.echo("Keep it now: only its hash is stored, so it can't be shown again.", err=True)


@tokens.command("list")
def list_all() -> None:
    """List the API clients."""
    for client in list_clients():
        state = f"revoked {client.revoked_at:%Y-%m-%d %H:%M} UTC" if client.revoked_at else "valid"
        click.echo(f"{one_line(client.name)}  created {client.created_at:%Y-%m-%d %H:%M} UTC  {state}")


@tokens.command("revoke", act="token.revoke", on="API token", named_by=("client", "name"))
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a client's token, with immediate effect."""
    api_tokens.revoke(name)
    click.echo(f"The token of {one_line(name)} is revoked.")
