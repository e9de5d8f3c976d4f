"""A repeat is recognised by its content, over releases that ask for more than the one that took the order."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import update

from orderapp.domain.inputs import Inputs
from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.models import Submission
from orderapp.services.db.transactions import writing
from orderapp.services.placing.place import Result
from orderapp.services.saga.content_hashes import hash_cart, hash_order, hash_retry
from tests.services.scripted import Scripted
from tests.services.shop import Shop

LINES = (LineRequest("TEA-GREEN", 2), LineRequest("GIFT-BOX", 1))
INPUTS = Inputs(coupon="W10", benefit="B5", member_ref="M-1")
PLAIN = OrderRequest(Customer("Ada", "ada@example.com"), LINES)
FULL = OrderRequest(Customer("Ada", "ada@example.com", "+12125550123"), LINES, INPUTS)
AGAIN = uuid.UUID(int=7)


@pytest.mark.parametrize("request_", [PLAIN, FULL])
def test_an_input_that_is_added_and_left_empty_changes_no_hash(request_: OrderRequest) -> None:
    later = replace(request_, inputs=Inputs({**request_.inputs, "gift_card": ""}))
    assert hash_order(later) == hash_order(request_)
    assert hash_cart("shop", later) == hash_cart("shop", request_)


def test_an_input_that_is_added_and_used_is_other_content_and_another_cart() -> None:
    later = replace(PLAIN, inputs=Inputs(gift_card="G1"))
    before, now = hash_order(PLAIN), hash_order(later)
    assert not now.is_that_of(str(before))
    assert not before.is_that_of(str(now))
    assert hash_cart("shop", later) != hash_cart("shop", PLAIN)


def test_what_a_page_showed_is_no_content_however_large_the_sum() -> None:
    shown = replace(PLAIN, expected_total=Money(10**30, "EUR"), expected_subtotal=Money(10**30, "EUR"))
    assert hash_order(shown) == hash_order(PLAIN)
    assert hash_cart("shop", shown) == hash_cart("shop", PLAIN)


def test_each_member_counts() -> None:
    customers = [replace(PLAIN.customer, **{name: "other"}) for name in ("name", "email", "phone")]
    others = [replace(PLAIN, customer=customer) for customer in customers]
    others += [replace(PLAIN, inputs=Inputs({name: "X"})) for name in INPUTS]
    others += [replace(PLAIN, lines=LINES[:1])]
    assert len({str(hash_order(one)) for one in (PLAIN, *others)}) == 8
    # Whoever corrects the name or the telephone number doesn't mean a second order.
    assert len({hash_cart("shop", one) for one in (PLAIN, *others)}) == 6


# As the present way of hashing writes them, which may never change.
KEPT = {
    "v1:5c791df55201de3a2cd225211974f8c10600bfafdd865a4d7171c0b6874cfe9d": hash_order(PLAIN),
    "v1:e62dcd67d090e0ac4ee00c9160ab9abe652022d15365c0d0c3cd1881d21b497a": hash_order(FULL),
    "v1:4a664e7440bba2673e80b09c2d2050bdfc174dae4f3ed26eb10b8f14a46a2a9e": hash_retry(AGAIN),
}


@pytest.mark.parametrize("kept", KEPT)
def test_what_was_kept_is_recognised(kept: str) -> None:
    assert KEPT[kept].is_that_of(kept)
    assert not KEPT[kept].is_that_of(kept[:-1] + "~")


@pytest.mark.parametrize("version", ["v0", "v2"])
def test_a_key_of_another_release_leads_to_its_order(empty_shop: Shop, version: str) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    order = shop.submit("key", content).order
    with writing() as session:
        session.execute(update(Submission).values(content_hash=f"{version}:{'0' * 64}"))
    again = shop.submit("key", content)
    assert (again.order.id, again.result, stock.verbs()) == (order.id, Result.REPLAYED, ["act"])
