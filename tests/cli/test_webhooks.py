"""`flask webhooks`: who is told of events."""

from __future__ import annotations

from base64 import b64decode

import pytest
from flask import Flask
from sqlalchemy import select

from orderapp.models import AuditEntry, WebhookSubscription
from orderapp.services.db.transactions import reading
from orderapp.services.webhooks.subscriptions import MOST, signing_secrets
from tests.cli.conftest import Run

ADDRESS = "https://shop.example/hooks?key=7"


def subscriptions(app: Flask) -> list[WebhookSubscription]:
    with app.app_context(), reading() as session:
        return list(session.scalars(select(WebhookSubscription).order_by(WebhookSubscription.id)))


def acts(app: Flask) -> list[tuple[str, str, bool]]:
    with app.app_context(), reading() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(row.act, row.subject, row.refused is not None) for row in rows]


def signing(app: Flask) -> list[str]:
    [one] = subscriptions(app)
    with app.app_context(), reading() as session:
        return signing_secrets(session, one)


def test_an_address_is_added_and_its_secret_is_shown_once(app: Flask, run: Run) -> None:
    result = run("webhooks", "add", ADDRESS, "--events", "order.*, mismatch.found,order.*")
    assert result.exit_code == 0
    secret = result.stdout.strip()
    assert secret.startswith("whsec_")
    assert len(b64decode(secret.removeprefix("whsec_"))) == 32
    assert "can't be shown again" in result.stderr
    [one] = subscriptions(app)
    assert (one.url, one.events, one.secret) == (ADDRESS, "order.*,mismatch.found", secret)
    assert acts(app) == [("webhook.add", "webhook 1", False)]
    listed = run("webhooks", "list").stdout
    assert secret not in listed
    assert listed.splitlines()[1].split()[:2] == ["1", "active"]
    assert listed.splitlines()[1].rstrip().endswith(ADDRESS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://shop.example/"], "url: Events are sent encrypted"),
        (["https://127.0.0.1/"], "url: This network address isn't public"),
        (["https://me:pw@shop.example/"], "url: An address has no user"),
        (["exchange:orders"], "url: RABBITMQ_URL isn't set"),
        (["exchange:amq.topic"], "url: The broker keeps names that begin with amq."),
        (["exchange:a b"], "url: An exchange's name has 1 to 127 letters"),
        ([ADDRESS, "--events", "order.shipped"], "events: There is no event 'order.shipped'"),
        ([ADDRESS, "--events", " , "], "events: use one or more of *, effect.*"),
    ],
)
def test_what_is_no_subscription_is_refused_with_one_line(
    app: Flask, run: Run, arguments: list[str], told: str
) -> None:
    result = run("webhooks", "add", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {told}")
    assert result.stderr.count("\n") == 1
    assert subscriptions(app) == []
    assert acts(app) == [("webhook.add", "webhook", True)]


def test_a_rotated_secret_signs_beside_the_new_one_and_an_older_one_doesn_t(app: Flask, run: Run) -> None:
    first = run("webhooks", "add", ADDRESS).stdout.strip()
    assert signing(app) == [first]
    second = run("webhooks", "rotate", "1", "--reason", "a leak").stdout.strip()
    assert signing(app) == [second, first]
    third = run("webhooks", "rotate", "1").stdout.strip()
    assert signing(app) == [third, second]
    assert len({first, second, third}) == 3


def test_a_removed_address_is_gone_and_its_secrets_are_forgotten(app: Flask, run: Run) -> None:
    run("webhooks", "add", ADDRESS)
    run("webhooks", "rotate", "1")
    assert run("webhooks", "remove", "1").stdout == "Webhook 1 is removed.\n"
    [one] = subscriptions(app)
    assert (one.secret, one.old_secret) == ("", None)
    assert run("webhooks", "list").stdout.count("\n") == 1
    for command in ("remove", "rotate"):
        result = run("webhooks", command, "1")
        assert (result.exit_code, result.stderr) == (1, "Error: There is no webhook 1.\n")
    assert acts(app)[-2:] == [("webhook.remove", "webhook", True), ("webhook.rotate", "webhook", True)]


def test_an_address_is_paused_and_resumed(app: Flask, run: Run) -> None:
    run("webhooks", "add", ADDRESS)
    assert run("webhooks", "pause", "1", "--reason", "they move").exit_code == 0
    assert run("webhooks", "list").stdout.splitlines()[1].split()[:2] == ["1", "paused"]
    doctor = " ".join(run("doctor").stdout.split())
    assert "webhooks doubtful 1 is paused, 0 events wait: command line: they move" in doctor
    again = run("webhooks", "pause", "1", "--reason", "they move")
    assert (again.exit_code, again.stderr) == (1, "Error: Webhook 1 is so already. Nothing was changed.\n")
    assert run("webhooks", "resume", "1", "--reason", "they have moved").exit_code == 0
    assert run("webhooks", "list").stdout.splitlines()[1].split()[:2] == ["1", "active"]
    assert "webhooks ok" in " ".join(run("doctor").stdout.split())


def test_there_are_only_so_many(app: Flask, run: Run) -> None:
    for _ in range(MOST):
        assert run("webhooks", "add", ADDRESS).exit_code == 0
    assert "already; remove one first" in run("webhooks", "add", ADDRESS).stderr
