"""The card payment: authorise, capture, void, refund, and a callback for what stays pending; one file."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.services.placing.place import Result
from tests.examples.ordering import shop_with
from tests.sandbox.running import RunningSandbox
from tests.services.shop import Shop

SECRET = "whsec_" + base64.b64encode(b"c" * 24).decode()
Running = tuple[Shop, RunningSandbox]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with shop_with("examples.card", tmp_path, CAPTURE_CALLBACK_SECRET=SECRET) as both:
        yield both


def content_of(sandbox: RunningSandbox, system: str) -> dict[str, object]:
    (effect,) = [one for one in sandbox.ledger(system=system)["effects"] if one["effect"] == "do"]
    return dict(effect["content"])


def test_what_is_authorised_while_the_customer_waits_is_captured_afterwards(running: Running) -> None:
    shop, sandbox = running
    order = shop.submit().order
    assert sandbox.held(order.number) == {"inventory": 1, "card": 1}
    shop.work_until_quiet()
    assert sandbox.held(order.number)["capture"] == 1
    assert content_of(sandbox, "card")["amount"] == {"value": order.subtotal.minor, "currency": "EUR"}
    assert content_of(sandbox, "settlement")["amount"] == {"value": 0, "currency": "EUR"}
    assert content_of(sandbox, "capture")["authorisation"] == f"{order.number}:1:card"


def test_a_declined_card_fails_the_order_and_everything_else_is_given_back(running: Running) -> None:
    shop, sandbox = running
    sandbox.fault("card", "refuses", scope="do")
    placed = shop.submit()
    assert placed.result is Result.REFUSED
    sandbox.clear_faults()
    shop.work_until_quiet_but_for_staff()
    assert (shop.view(placed.order.id).state, sandbox.held(placed.order.number)) == (OrderState.FAILED, {})


def test_an_authorisation_whose_answer_is_lost_is_voided(running: Running) -> None:
    shop, sandbox = running
    sandbox.fault("card", "error_after", scope="do")
    placed = shop.submit()
    assert placed.stopped
    assert placed.stopped.outcome is Outcome.UNKNOWN
    sandbox.clear_faults()
    shop.make_due()
    shop.work_until_quiet_but_for_staff()
    assert sandbox.held(placed.order.number) == {}


def test_a_refused_capture_cancels_the_order_and_voids_the_authorisation(running: Running) -> None:
    shop, sandbox = running
    order = shop.submit().order
    sandbox.fault("capture", "refuses", scope="do")
    shop.work()
    sandbox.clear_faults()
    shop.work_until_quiet_but_for_staff()
    assert shop.view(order.id).state is OrderState.CANCELLED
    assert {name for name in sandbox.held(order.number) if name != "email"} == set()


def test_a_cancelled_order_is_refunded_and_voided(running: Running) -> None:
    shop, sandbox = running
    order = shop.submit().order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert shop.view(order.id).state is OrderState.CANCELLED
    assert not {"card", "capture", "inventory"} & sandbox.held(order.number).keys()


def test_the_acquirers_callback_is_a_hint_to_ask(running: Running) -> None:
    shop, _ = running
    order = shop.submit().order
    body = json.dumps({"capture": {"key": f"{order.number}:1:capture"}})
    now = dt.datetime.now(dt.UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    client = shop.app.test_client()
    assert client.post("/callbacks/capture", data=body, headers=headers).status_code == 202
    assert client.post("/callbacks/capture", data=body, headers={**headers, "webhook-id": "msg_2"}).status_code == 401
    shop.work_until_quiet()
    assert shop.task(system="capture").state == "done"
