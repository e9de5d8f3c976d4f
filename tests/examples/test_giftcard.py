"""The gift card: typed, checked, paid with, refunded; one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from sqlalchemy import select

from examples.giftcard import Giftcard
from orderapp.admin.titles import input_shown
from orderapp.domain.money import Money
from orderapp.errors import SystemUnknown
from orderapp.ext import Backoff, Effect, Environment, Outcome
from orderapp.ext.testing import InvalidRequest, Result, TestedShop, running_shop
from orderapp.models import Attempt
from orderapp.services.db.transactions import reading
from orderapp.services.placing.place import Placing
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.registry import Systems

PLUGIN = "examples.giftcard"
QUICK = Backoff(base_seconds=0.01, max_seconds=0.05, attempts=3)
PRICE = 2 * 790


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[TestedShop]:
    with running_shop(tmp_path, PLUGIN) as running:
        yield running


def balance(shop: TestedShop) -> int:
    return int(shop.rows("giftcard")["GIFT20"]["balance"])


def test_it_pays_what_is_on_it_and_the_settlement_takes_the_rest(shop: TestedShop) -> None:
    first, second = (shop.place(giftcard="GIFT20") for _ in range(2))
    assert [one.result for one in (first, second)] == [Result.CONFIRMED] * 2
    assert [one.amount.minor for placed in (first, second) for one in placed.order.payments] == [PRICE, 2000 - PRICE]
    assert [placed.order.total for placed in (first, second)] == [Money(0, "EUR"), Money(2 * PRICE - 2000, "EUR")]
    assert [placed.order.reductions for placed in (first, second)] == [[], []]
    assert balance(shop) == 0
    for placed in (first, second):
        shop.work_until_done(placed.order)
    assert shop.held(second.order)["giftcard"] == 1
    settled = [effect["content"]["amount"]["value"] for effect in shop.effects("settlement")]
    assert sorted(settled) == [0, 2 * PRICE - 2000]


def test_an_unknown_code_is_told_at_its_field_and_an_empty_card_in_its_own_words(shop: TestedShop) -> None:
    with pytest.raises(InvalidRequest, match="giftcard") as raised:
        shop.place(giftcard="NO-SUCH")
    assert raised.value.errors == {"giftcard": ["We don't know this gift card. Check its code."]}
    for _ in range(2):
        shop.place(giftcard="GIFT20")
    refused = shop.place(giftcard="GIFT20")
    assert (refused.result, refused.stopped and refused.stopped.code) == (Result.REFUSED, "card_empty")


@pytest.mark.parametrize("fault", ["error_after", "cut_after"])
def test_a_payment_whose_answer_is_lost_is_found_and_refunded(shop: TestedShop, fault: str) -> None:
    shop.disturb("giftcard", fault, scope="do")
    placed = shop.place(giftcard="GIFT20")
    assert placed.result is Result.UNAVAILABLE
    shop.heal()
    failed = shop.work_until_done(placed.order)
    assert failed.state == "failed"
    assert (balance(shop), shop.held(failed)) == (2000, {})


def test_a_payment_that_is_refunded_already_proves_nothing(shop: TestedShop) -> None:
    order = shop.place(giftcard="GIFT20").order
    with reading() as session:
        effect = Effect(f"{order.number}:1:giftcard", load_document(session, order.id))
    system = Giftcard.from_environment(Environment({"GIFTCARD_URL": "http://127.0.0.1:9"}, production=False), QUICK)
    with responses.RequestsMock() as partner:
        partner.post("http://127.0.0.1:9/payments", json={"reference": effect.key, "undone": True}, status=201)
        assert system.act(effect).outcome is Outcome.UNKNOWN


def test_a_cancelled_order_gives_the_money_back(shop: TestedShop) -> None:
    order = shop.work_until_done(shop.place(giftcard="GIFT20").order)
    shop.cancel(order)
    assert shop.held(shop.work_until_done(order)) == {}
    assert balance(shop) == 2000


def test_a_process_without_the_plugin_does_not_try_again_at_the_full_price(shop: TestedShop) -> None:
    shop.disturb("inventory", "refuses", scope="do")
    failed = shop.place(giftcard="GIFT20").order
    shop.heal()
    shop.work_until_done(failed)
    known = {name: one for name, one in shop.settings.systems.items() if name != "giftcard"}
    without = dataclasses.replace(shop.settings, systems=Systems(known))
    with pytest.raises(SystemUnknown):
        Placing(without).retry(failed.id, "again")
    assert shop.see(failed).placements == 1


def test_its_code_is_in_no_history(shop: TestedShop) -> None:
    shop.place(giftcard="GIFT20")
    with reading() as session:
        exchanges = session.scalars(select(Attempt.exchanges).where(Attempt.system == "giftcard")).all()
    assert exchanges
    assert not [one for one in exchanges if "GIFT20" in one]


def test_the_form_the_order_page_and_the_api_have_it(shop: TestedShop) -> None:
    client = shop.app.test_client()
    assert 'name="giftcard"' in client.get("/checkout").text
    schemas = client.get("/api/v1/openapi.json").json["components"]["schemas"]
    assert "giftcard" in schemas["NewOrder"]["properties"]


@pytest.mark.usefixtures("shop")
def test_staff_see_only_the_end_of_a_code_that_pays_or_is_unknown() -> None:
    shown = [input_shown(name, "GIFT20") for name in ("giftcard", "bygone", "coupon")]
    assert shown == ["\N{HORIZONTAL ELLIPSIS}20", "\N{HORIZONTAL ELLIPSIS}20", "GIFT20"]
