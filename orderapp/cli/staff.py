"""`flask staff`: who may use the back office."""

from __future__ import annotations

import sys

import click

from orderapp.cli.command import Group, one_line
from orderapp.models import Role
from orderapp.services.access.accounts import create_staff, enable_staff, find_staff, set_password
from orderapp.services.access.second_factors import reset
from orderapp.services.db.audit import COMMAND_LINE

# Longer than any password that is accepted; what a mistaken pipe sends is not read to its end.
MAX_PASSWORD_BYTES = 10_000

staff = Group("staff", help="Who may use the back office.")


@staff.command("create", act="staff.create", on="staff", named_by=("email", "email"))
@click.argument("email")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, one line.")
def create(email: str, role: str, password_stdin: bool) -> None:
    """Create an account. Roles: viewer; operator, who may also act; admin, who may also manage accounts."""
    create_staff(email, Role(role), _read_password(password_stdin))
    click.echo(f"Created {email} as {role}.")


@staff.command("enable", act="staff.enable", on="staff", named_by=("email", "email"))
@click.argument("email")
@click.option("--reason", required=True, help="Why; it is kept with your act.")
def enable(email: str, reason: str) -> None:
    """Enable a disabled account, with the role and the password it had."""
    enable_staff(find_staff(email), COMMAND_LINE, reason)
    click.echo(f"{one_line(email)} can log in again.")


@staff.command("password", act="staff.password", on="staff", named_by=("email", "email"))
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input, one line.")
@click.option("--reason", required=True, help="Why; it is kept with your act.")
def password(email: str, password_stdin: bool, reason: str) -> None:
    """Set a new password for an account, and log it out everywhere."""
    set_password(find_staff(email), _read_password(password_stdin), COMMAND_LINE, reason)
    click.echo(f"{one_line(email)} has its new password, and is logged out everywhere.")


@staff.command("reset-factor", act="staff.factor_reset", on="staff", named_by=("email", "email"))
@click.argument("email")
@click.option("--reason", required=True, help="Why; it is kept with your act.")
def reset_factor(email: str, reason: str) -> None:
    """Take away the second factor of somebody who has lost it, and log the account out everywhere."""
    reset(find_staff(email), COMMAND_LINE, reason)
    click.echo(f"{one_line(email)} logs in with the password alone, and can set up a new second factor.")


def _read_password(from_stdin: bool) -> str:
    if not from_stdin:
        # Arguments can be read by everybody on the machine, in the list of processes.
        raise click.ClickException("give --password-stdin, and the password on standard input")
    raw = sys.stdin.buffer.read(MAX_PASSWORD_BYTES)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException("the password on standard input is not UTF-8; nothing was changed") from error
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or "\n" in password:
        raise click.ClickException("standard input holds no password of one line; nothing was changed")
    return password
