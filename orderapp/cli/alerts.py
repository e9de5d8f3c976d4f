"""`flask alerts`: who is told without looking."""

from __future__ import annotations

import click
from sqlalchemy.orm import Session

from orderapp.cli.command import Group, one_line
from orderapp.models import AlertKind, AlertRule
from orderapp.services.backoffice import alert_rules
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading

alerts = Group("alerts", help="Alerts and the weekly report.")


@alerts.command("defaults", act="alert.add", on="alert")
@click.argument("email")
def defaults(email: str) -> None:
    """Tell an address of orders that aren't right for half an hour, and of systems that fail for a quarter of one.

    It gets the weekly report too.
    """
    numbers = alert_rules.add_defaults(email, COMMAND_LINE)
    click.echo(f"Added the rules {', '.join(map(str, numbers))}.")


@alerts.command("list")
def list_all() -> None:
    """List the rules, with their state. Limits are in seconds, minor units of money, or rows."""
    with reading() as session:
        for rule in _rules(session):
            state = "raised" if rule.raised_at else "quiet"
            told = rule.email or f"webhook {rule.webhook_id}"
            click.echo(one_line(f"{rule.id}  {rule.kind}  more than {rule.most}  {told}  {state}  {rule.seen}"))


@alerts.command("remove", act="alert.remove", on="alert", named_by=("alert", "rule_id"))
@click.argument("rule_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
def remove(rule_id: int) -> None:
    """Remove a rule: nothing of it is told any more."""
    alert_rules.remove(rule_id, COMMAND_LINE)
    click.echo(f"Rule {rule_id} is removed.")


def _rules(session: Session) -> list[AlertRule]:
    return list(alert_rules.rules_of(session, *AlertKind))
