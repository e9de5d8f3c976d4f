"""An act that a command was refused stands in the audit, as one of the back office does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
import pytest
from flask import Flask
from sqlalchemy import select

from orderapp.cli.command import Command
from orderapp.extensions import db
from orderapp.models import AuditEntry
from orderapp.services.db.transactions import reading
from orderapp.services.reconciliation.runs import take
from tests.cli.conftest import Run

PASSWORD = "a horse that staples batteries"
# What only shows something, or is a process of the product and no act of anybody.
NO_ACTS = {
    "alerts list",
    "doctor",
    "operations list",
    "operations show",
    "tasks list",
    "timer",
    "tokens list",
    "web",
    "webhooks list",
}
CREATE = ("staff", "create", "--role", "viewer", "--password-stdin")


def refused(app: Flask) -> list[AuditEntry]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.refused.is_not(None))))


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        elif isinstance(command, Command):
            yield f"{path}{name}", command


def test_each_command_of_ours_either_acts_under_a_name_or_is_known_to_act_on_nothing(app: Flask) -> None:
    found = dict(commands(app.cli))
    assert {name for name, command in found.items() if not command.act} == NO_ACTS


@pytest.mark.parametrize(
    ("arguments", "stdin", "act", "subject", "details", "why"),
    [
        ((*CREATE, "ada"), PASSWORD, "staff.create", "staff", {"email": "ada"}, "email: This is no e-mail address."),
        (
            ("staff", "password", "eve@example.com", "--password-stdin", "--reason", "lost"),
            PASSWORD,
            "staff.password",
            "staff",
            {"email": "eve@example.com"},
            "There is no member of staff with this address.",
        ),
        (
            ("staff", "enable", "eve@example.com", "--reason", "is back"),
            None,
            "staff.enable",
            "staff",
            {"email": "eve@example.com"},
            "There is no member of staff with this address.",
        ),
        (("tokens", "create", "\x07"), None, "token.create", "API token", {"client": ""}, "name: A name has 1 to 100"),
        (("tokens", "revoke", "shop"), None, "token.revoke", "API token", {"client": "shop"}, "There is no API client"),
        (("products", "import", "-"), "[]", "products.import", "products", {"file": "-"}, "a list of at least one"),
        (
            ("archive", "--older-than", "1d", "--to", "old.jsonl"),
            None,
            "orders.archive",
            "orders",
            {"file": "old.jsonl"},
            "older-than: at least",
        ),
        # All of staff read the audit: no address of a person, and of a webhook no part that permits to send.
        (("alerts", "defaults", "ann@here@x"), None, "alert.add", "alert", {}, "email: "),
        (("webhooks", "add", "http://x/token", "--events", "*"), None, "webhook.add", "webhook", {}, "url: "),
        (
            ("tasks", "requeue", "0", "--reason", "again"),
            None,
            "tasks.requeue",
            "tasks",
            {"tasks": "(0,)"},
            "task: Tasks have numbers from 1 on.",
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_what_a_command_was_refused_is_kept_with_why(
    app: Flask,
    run: Run,
    arguments: tuple[str, ...],
    stdin: str | None,
    act: str,
    subject: str,
    details: dict[str, str],
    why: str,
) -> None:
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    [entry] = refused(app)
    assert (entry.act, entry.subject, entry.actor) == (act, subject, "command line")
    assert json.loads(entry.details) == details
    assert why in str(entry.refused)
    assert entry.os_user
    reasons = [arguments[place + 1] for place, one in enumerate(arguments) if one == "--reason"]
    assert [entry.reason] == (reasons or [""])
    assert PASSWORD not in f"{entry.details} {entry.refused} {entry.reason}"


def test_a_reconciliation_beside_another_is_kept_as_refused(app: Flask, run: Run) -> None:
    with app.app_context():
        take(3600, 60)
    assert run("reconcile").exit_code == 1
    [entry] = refused(app)
    assert entry.act == "orders.reconcile"
    assert "under way already" in str(entry.refused)


def test_what_a_service_has_kept_is_not_kept_twice(app: Flask, run: Run) -> None:
    run(*CREATE, "ada@example.com", stdin=PASSWORD)
    result = run("staff", "enable", "ada@example.com", "--reason", "is back")
    assert "isn't disabled" in result.stderr
    assert [entry.subject for entry in refused(app)] == ["staff 1"]


@pytest.mark.parametrize(
    "arguments",
    [("tasks", "requeue", "7", "--reason", " "), ("tasks", "requeue", "7"), ("products", "import", "no-such-file")],
)
def test_an_incomplete_command_is_no_act(app: Flask, run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code != 0
    assert refused(app) == []


def test_where_it_cannot_be_kept_the_command_tells_what_is_wrong_all_the_same(app: Flask, run: Run) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE rate_counters")
    result = run("products", "import", "-", stdin="[]")
    assert result.exit_code == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("Error: -: a list of at least one product")
