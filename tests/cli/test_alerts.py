"""`flask alerts`: the rules for a start, listed and removed."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import select

from orderapp.models import AuditEntry
from orderapp.services.db.transactions import reading
from tests.cli.conftest import Run


def test_the_defaults_are_added_listed_and_removed(app: Flask, run: Run) -> None:
    assert run("alerts", "defaults", "ops@example.com").stdout == "Added the rules 1, 2, 3.\n"
    listed = run("alerts", "list").stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["not_right", "breaker", "report"]
    assert run("alerts", "remove", "2").exit_code == 0
    assert len(run("alerts", "list").stdout.splitlines()) == 2
    for wrong, told in ((("remove", "2"), "no such rule"), (("defaults", "nobody"), "The @ is missing")):
        result = run("alerts", *wrong)
        assert result.exit_code == 1
        assert told in result.stderr
        assert len(result.stderr.splitlines()) == 1
    with app.app_context(), reading() as session:
        acts = session.scalars(select(AuditEntry.act).order_by(AuditEntry.id)).all()
    assert acts == [*["alert.add"] * 3, "alert.remove", "alert.remove", "alert.add"]
