"""`flask staff`: who may use the back office."""

from __future__ import annotations

import sys

import click

from orderapp.cli.command import Group
from orderapp.models import Role
from orderapp.services.staff import create_staff

# Longer than any password that is accepted; what a mistaken pipe sends is not read to its end.
MAX_PASSWORD_BYTES = 10_000

staff = Group("staff", help="Who may use the back office.")


@staff.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
def create(email: str, role: str, password_stdin: bool) -> None:
    """Create an account. Each role may do all that the one before it may: viewer, operator, admin."""
    if not password_stdin:
        # Arguments can be read by everybody on the machine, in the list of processes.
        raise click.ClickException("give --password-stdin, and the password on standard input")
    create_staff(email, Role(role), _read_password())
    click.echo(f"Created {email} as {role}.")


def _read_password() -> str:
    raw = sys.stdin.buffer.read(MAX_PASSWORD_BYTES)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException("the password on standard input is not UTF-8; no account was created") from error
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise click.ClickException("standard input holds no password of one line; no account was created")
    return password
