"""The card payment: authorise, capture, void, refund, and a callback for what stays pending; one file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.ext.testing import Result, TestedShop, running_shop

SECRET, OTHER_SECRET = (f"whsec_{base64.b64encode(letter * 24).decode()}" for letter in (b"c", b"d"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestedShop]:
    with running_shop(tmp_path, "examples.card", CAPTURE_CALLBACK_SECRET=SECRET) as running:
        yield running


def content_of(shop: TestedShop, system: str) -> dict[str, object]:
    (effect,) = [one for one in shop.effects(system) if one["effect"] == "do"]
    return dict(effect["content"])


def test_what_is_authorised_while_the_customer_waits_is_captured_afterwards(shop: TestedShop) -> None:
    order = shop.place().order
    assert shop.held(order) == {"inventory": 1, "card": 1}
    shop.work_until_done(order)
    assert shop.held(order)["capture"] == 1
    assert content_of(shop, "card")["amount"] == {"value": order.subtotal.minor, "currency": "EUR"}
    assert content_of(shop, "settlement")["amount"] == {"value": 0, "currency": "EUR"}
    assert content_of(shop, "capture")["authorisation"] == f"{order.number}:1:card"


def test_a_declined_card_fails_the_order_and_everything_else_is_given_back(shop: TestedShop) -> None:
    shop.disturb("card", "refuses", scope="do")
    placed = shop.place()
    assert placed.result is Result.REFUSED
    shop.heal()
    failed = shop.work_until_done(placed.order)
    assert (failed.state, shop.held(failed)) == (OrderState.FAILED, {})


def test_an_authorisation_whose_answer_is_lost_is_voided(shop: TestedShop) -> None:
    shop.disturb("card", "error_after", scope="do")
    placed = shop.place()
    assert placed.stopped
    assert placed.stopped.outcome is Outcome.UNKNOWN
    shop.heal()
    assert shop.held(shop.work_until_done(placed.order)) == {}


def test_a_refused_capture_cancels_the_order_and_voids_the_authorisation(shop: TestedShop) -> None:
    order = shop.place().order
    shop.disturb("capture", "refuses", scope="do")
    shop.work()
    shop.heal()
    order = shop.work_until_done(order)
    assert (order.state, shop.held(order)) == (OrderState.CANCELLED, {})


def test_a_cancelled_order_is_refunded_and_voided(shop: TestedShop) -> None:
    order = shop.work_until_done(shop.place().order)
    shop.cancel(order)
    order = shop.work_until_done(order)
    assert (order.state, shop.held(order)) == (OrderState.CANCELLED, {})


def test_the_acquirers_callback_is_a_hint_to_ask(shop: TestedShop) -> None:
    order = shop.place().order
    body = {"capture": {"key": f"{order.number}:1:capture"}}
    assert shop.callback("capture", body, secret=SECRET) == 202
    assert shop.callback("capture", body, secret=OTHER_SECRET) == 401
    assert shop.callback("capture", body) == 401
    assert shop.callback("card", body, secret=SECRET) == 404
    order = shop.work_until_done(order)
    assert [task.state for task in order.tasks if task.system == "capture"] == ["done"]
