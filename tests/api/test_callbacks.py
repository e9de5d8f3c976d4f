"""Callbacks: hints that make a task due; forged, repeated, early, late or lost ones do no harm."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from orderapp.ext.testing import TestedShop, running_shop
from orderapp.models import HeardCallback
from orderapp.services.db.transactions import reading
from tests.services.shop import Shop

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
NOW = dt.datetime.now(dt.UTC)
Running = tuple[Shop, TestedShop]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """A shop whose settlements stay pending until the sandbox is told otherwise."""
    with running_shop(tmp_path, "examples.giftcard", SETTLEMENT_CALLBACK_SECRET=SECRET) as running:
        running.set("options", "settlement_seconds", 1000)
        yield Shop(running.app, running.settings), running


def call_back(
    shop: Shop,
    content: Any,
    *,
    secret: str = SECRET,
    ago: dt.timedelta = dt.timedelta(0),
    system: str = "settlement",
    **headers: str,
) -> TestResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    message, at = f"msg_{uuid.uuid4().hex}", dt.datetime.now(dt.UTC) - ago
    signature = Webhook(secret).sign(message, at, body.decode("utf-8", "replace"))
    signed = {"webhook-id": message, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return shop.app.test_client().post(f"/callbacks/{system}", data=body, headers={**signed, **headers})


def about(key: str, state: str = "settled") -> dict[str, Any]:
    return {"settlement": {"key": key, "state": state}}


def pending_settlement(shop: Shop) -> tuple[str, Any]:
    """Place an order whose settlement was accepted and isn't finished; return its number and the task."""
    order = shop.submit().order
    shop.work()
    task = shop.task(system="settlement")
    assert (task.state, task.pending_answers) == ("waiting", 1)
    return order.number, task


def finish_settlements(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "sandbox.sqlite")) as connection, connection:
        connection.execute("UPDATE keyed SET due_at = 0 WHERE system = 'settlement' AND due_at IS NOT NULL")


def heard() -> list[HeardCallback]:
    with reading() as session:
        return list(session.scalars(select(HeardCallback).order_by(HeardCallback.id)))


def test_a_callback_makes_the_task_due_and_the_system_is_asked(running: Running, tmp_path: Path) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    finish_settlements(tmp_path)
    answer = call_back(shop, about(task.key))
    assert (answer.status_code, answer.json) == (202, {})
    shop.work_until_quiet(within_seconds=5)  # nobody waits for the pause to end
    assert shop.task(system="settlement").state == "done"
    assert [(one.key, one.acted_at is not None) for one in heard()] == [(task.key, True)]


def test_what_it_says_proves_nothing(running: Running) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    assert call_back(shop, about(task.key, "settled")).status_code == 202
    shop.work()
    again = shop.task(system="settlement")
    assert (again.state, again.attempts) == ("waiting", 0)  # it was asked, is still pending, and used up nothing


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_" + base64.b64encode(b"x" * 24).decode()},
        {"ago": dt.timedelta(minutes=6)},
        {"ago": dt.timedelta(minutes=-6)},
        {"webhook-signature": ""},
        {"webhook-signature": "v1"},
        {"webhook-signature": "v1,***"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "1e400"},
        {"webhook-id": ""},
    ],
    ids=str,
)
def test_one_that_is_forged_or_old_is_refused_and_leaves_nothing(running: Running, forged: dict[str, Any]) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    answer = call_back(shop, about(task.key), **forged)
    assert (answer.status_code, answer.json["code"]) == (401, "callback_refused")
    assert heard() == []
    assert shop.task(system="settlement").publish_at == task.publish_at


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[]", b'{"settlement": {}}', b'{"settlement": {"key": 7}}', b'{"settlement": {"key": ""}}'],
)
def test_one_that_cannot_be_read_is_refused_and_ends_nothing(running: Running, body: bytes) -> None:
    shop, _ = running
    assert call_back(shop, body).status_code in (401, 202)
    assert heard() == []
    assert shop.submit().order.state == "confirmed"


def test_the_same_again_changes_nothing(running: Running) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    for _ in range(3):
        assert call_back(shop, about(task.key)).status_code == 202
        shop.work()
    assert len(heard()) == 1
    assert shop.task(system="settlement").claims == 2  # its first run, and one because of the callbacks


def test_a_second_hint_at_once_is_kept_and_acted_on_some_seconds_later(running: Running) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    call_back(shop, about(task.key, "processing"))
    shop.work()
    call_back(shop, about(task.key, "settled"))
    assert [one.acted_at is not None for one in heard()] == [True, True]
    assert 0 < (shop.seconds_until_due(task.id) or 0) <= 5


def test_one_that_comes_while_the_task_runs_counts_once_it_has_run(running: Running, tmp_path: Path) -> None:
    shop, _ = running
    order = shop.submit().order
    early = f"{order.number}:1:settlement"
    assert call_back(shop, about(early)).status_code == 202
    assert [one.acted_at for one in heard()] == [None]
    shop.work()  # it is accepted and isn't finished
    assert [one.acted_at is not None for one in heard()] == [True]
    finish_settlements(tmp_path)
    shop.work_until_quiet(within_seconds=5)
    assert shop.task(system="settlement").state == "done"


def test_it_uses_up_no_attempts_of_a_task_that_fails(running: Running) -> None:
    shop, sandbox = running
    sandbox.disturb("settlement", "error_before")
    order = shop.submit().order
    shop.work()
    task = shop.task(system="settlement")
    assert task.last_code == "internal_error"
    assert call_back(shop, about(task.key)).status_code == 202
    assert shop.task(system="settlement").publish_at == task.publish_at
    assert [one.acted_at for one in heard()] == [None]
    assert order.number in heard()[0].said


def test_a_callback_is_checked_by_the_address_as_it_was_written(tmp_path: Path) -> None:
    url, secret = "https://shop.example/callbacks/sms?key=N%3A1%3Asms", "sandbox-auth-token"
    signed = base64.b64encode(hmac.digest(secret.encode(), f"{url}MessageStatussent".encode(), "sha1")).decode()
    with running_shop(tmp_path, "examples.giftcard", PUBLIC_URL="https://shop.example") as shop:
        client, form = shop.app.test_client(), {"MessageStatus": "sent"}
        where = {"path": "/callbacks/sms", "query_string": "key=N%3A1%3Asms", "base_url": "https://shop.example"}
        assert client.post(**where, data=form, headers={"X-Twilio-Signature": signed}).status_code == 202
        assert client.post(**where, data=form, headers={"X-Twilio-Signature": "x"}).status_code == 401


def test_one_about_an_unknown_key_is_taken_and_says_nothing_of_whom_it_is_about(running: Running) -> None:
    shop, _ = running
    assert call_back(shop, about("NO-SUCH:1:settlement")).status_code == 202
    (one,) = heard()
    assert (one.order_id, one.said, one.acted_at) == (None, "", None)


def test_one_that_comes_too_late_leaves_a_done_task_alone(running: Running, tmp_path: Path) -> None:
    shop, _ = running
    number, task = pending_settlement(shop)
    finish_settlements(tmp_path)
    shop.make_due()
    shop.work_until_quiet()
    assert call_back(shop, about(task.key, "refused")).status_code == 202
    shop.work()
    assert shop.task(system="settlement").state == "done"
    (one,) = heard()
    assert number in one.said


@pytest.mark.parametrize("system", ["inventory", "nobody", "giftcard"])
def test_a_system_without_callbacks_is_not_there(running: Running, system: str) -> None:
    shop, _ = running
    assert call_back(shop, {}, system=system).status_code == 404


def test_what_is_no_callback_is_answered_for_programs(running: Running) -> None:
    shop, _ = running
    client = shop.app.test_client()
    large = client.post("/callbacks/settlement", data=b"x" * 300_000)
    assert [large.status_code, client.get("/callbacks/settlement").status_code] == [413, 405]
    assert {large.mimetype, client.get("/callbacks/").mimetype} == {"application/problem+json"}


def test_without_a_secret_every_callback_is_refused(tmp_path: Path) -> None:
    with running_shop(tmp_path, "examples.giftcard") as running:
        assert call_back(Shop(running.app, running.settings), about("K")).status_code == 401


def test_staff_see_it_with_the_order(running: Running) -> None:
    shop, _ = running
    _, task = pending_settlement(shop)
    call_back(shop, about(task.key))
    from orderapp.admin.histories import history_of
    from orderapp.services.backoffice.case_files import find_order_file

    titles = [entry.title for entry in history_of(find_order_file(task.key.partition(":")[0]))]
    assert f"Settlement called back about {task.key}" in titles
