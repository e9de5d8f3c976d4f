"""The gift card: typed, checked, paid with, refunded; one file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from orderapp.admin.titles import input_shown
from orderapp.domain.money import Money
from orderapp.errors import InvalidRequest, SystemUnknown
from orderapp.models import Attempt
from orderapp.services.db.transactions import reading
from orderapp.services.orders.views import find_order
from orderapp.services.placing.place import Result
from orderapp.systems.registry import Systems
from tests.examples.ordering import rows_of, shop_with
from tests.sandbox.running import RunningSandbox
from tests.services.shop import Shop

PLUGIN = "examples.giftcard"
PRICE = 2 * 790


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Shop, RunningSandbox]]:
    with shop_with(PLUGIN, tmp_path) as both:
        yield both


def balance(sandbox: RunningSandbox) -> int:
    return int(json.loads(rows_of(sandbox, "giftcard")["GIFT20"])["balance"])


def test_it_pays_what_is_on_it_and_the_settlement_takes_the_rest(running: tuple[Shop, RunningSandbox]) -> None:
    shop, sandbox = running
    first, second = (shop.submit(giftcard="GIFT20") for _ in range(2))
    assert [one.result for one in (first, second)] == [Result.CONFIRMED] * 2
    assert [one.amount.minor for placed in (first, second) for one in placed.order.payments] == [PRICE, 2000 - PRICE]
    assert [placed.order.total for placed in (first, second)] == [Money(0, "EUR"), Money(2 * PRICE - 2000, "EUR")]
    assert [placed.order.reductions for placed in (first, second)] == [[], []]
    assert balance(sandbox) == 0
    shop.work_until_quiet()
    assert sandbox.held(second.order.number)["giftcard"] == 1
    settled = [effect["content"]["amount"]["value"] for effect in sandbox.ledger(system="settlement")["effects"]]
    assert sorted(settled) == [0, 2 * PRICE - 2000]


def test_an_unknown_code_is_told_at_its_field_and_an_empty_card_in_its_own_words(
    running: tuple[Shop, RunningSandbox],
) -> None:
    shop, _ = running
    with pytest.raises(InvalidRequest) as raised:
        shop.submit(giftcard="NO-SUCH")
    assert list(raised.value.errors) == ["giftcard"]
    for _ in range(2):
        shop.submit(giftcard="GIFT20")
    refused = shop.submit(giftcard="GIFT20")
    assert (refused.result, refused.stopped and refused.stopped.code) == (Result.REFUSED, "card_empty")


@pytest.mark.parametrize("fault", ["error_after", "cut_after"])
def test_a_payment_whose_answer_is_lost_is_found_and_refunded(running: tuple[Shop, RunningSandbox], fault: str) -> None:
    shop, sandbox = running
    sandbox.fault("giftcard", fault, scope="do")
    placed = shop.submit(giftcard="GIFT20")
    assert placed.result is Result.UNAVAILABLE
    sandbox.clear_faults()
    shop.work_until_quiet_but_for_staff()
    assert find_order(placed.order.id).state == "failed"
    assert (balance(sandbox), sandbox.held(placed.order.number)) == (2000, {})


def test_a_cancelled_order_gives_the_money_back(running: tuple[Shop, RunningSandbox]) -> None:
    shop, sandbox = running
    order = shop.submit(giftcard="GIFT20").order
    shop.work_until_quiet()
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert (balance(sandbox), sandbox.held(order.number).get("giftcard")) == (2000, None)


def test_a_process_without_the_plugin_does_not_try_again_at_the_full_price(
    running: tuple[Shop, RunningSandbox],
) -> None:
    shop, sandbox = running
    sandbox.fault("inventory", "refuses", scope="do")
    failed = shop.submit(giftcard="GIFT20").order
    sandbox.clear_faults()
    shop.work_until_quiet_but_for_staff()
    known = {name: one for name, one in shop.settings.systems.items() if name != "giftcard"}
    with pytest.raises(SystemUnknown):
        shop.with_settings(systems=Systems(known)).retry(failed.id)
    assert find_order(failed.id).placements == 1


def test_its_code_is_in_no_history(running: tuple[Shop, RunningSandbox]) -> None:
    shop, _ = running
    shop.submit(giftcard="GIFT20")
    with reading() as session:
        exchanges = session.scalars(select(Attempt.exchanges).where(Attempt.system == "giftcard")).all()
    assert exchanges
    assert not [one for one in exchanges if "GIFT20" in one]


def test_the_form_the_order_page_and_the_api_have_it(running: tuple[Shop, RunningSandbox]) -> None:
    shop, _ = running
    client = shop.app.test_client()
    assert 'name="giftcard"' in client.get("/").text
    schemas = client.get("/api/v1/openapi.json").json["components"]["schemas"]
    assert "giftcard" in schemas["NewOrder"]["properties"]


@pytest.mark.usefixtures("running")
def test_staff_see_only_the_end_of_a_code_that_pays_or_is_unknown() -> None:
    shown = [input_shown(name, "GIFT20") for name in ("giftcard", "bygone", "coupon")]
    assert shown == ["\N{HORIZONTAL ELLIPSIS}20", "\N{HORIZONTAL ELLIPSIS}20", "GIFT20"]
