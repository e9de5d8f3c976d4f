"""A repeat is recognised by its content, over releases that ask for more than the one that took the order."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import update

from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.errors import KeyReused
from orderapp.models import Submission
from orderapp.services.db.transactions import writing
from orderapp.services.orders.request_schema import read_order
from orderapp.services.placing.place import Result
from orderapp.services.saga.content_hashes import hash_cart, hash_order, hash_retry
from tests.services.scripted import Scripted
from tests.services.shop import Shop

LINES = (LineRequest("TEA-GREEN", 2), LineRequest("GIFT-BOX", 1))
PLAIN = OrderRequest(Customer("Ada", "ada@example.com"), LINES)
FULL = OrderRequest(Customer("Ada", "ada@example.com", "+12125550123", "M-1"), LINES, "W10", "B5")
AGAIN = uuid.UUID(int=7)


@dataclass(frozen=True, slots=True)
class LaterCustomer(Customer):
    """A customer as a later release knows them."""

    company: str = ""


@dataclass(frozen=True, slots=True)
class LaterRequest(OrderRequest):
    """A request as a later release reads it, with inputs of each sort."""

    gift_card: str = ""
    points: int = 0
    wrapped: bool = False
    pickup: tuple[str, ...] = ()
    carrier: str | None = None


def later(request: OrderRequest, **given: object) -> LaterRequest:
    old = request.customer
    customer = LaterCustomer(old.name, old.email, old.phone, old.member_ref)
    return LaterRequest(customer, request.lines, request.coupon, request.benefit, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("request_", [PLAIN, FULL])
def test_an_input_that_is_added_and_left_empty_changes_no_hash(request_: OrderRequest) -> None:
    assert hash_order(later(request_)) == hash_order(request_)
    assert hash_cart("shop", later(request_)) == hash_cart("shop", request_)


@pytest.mark.parametrize("given", [{"gift_card": "G1"}, {"points": 5}, {"wrapped": True}, {"pickup": ("berlin",)}])
def test_an_input_that_is_added_and_used_is_other_content_and_another_cart(given: dict[str, object]) -> None:
    before, now = hash_order(PLAIN), hash_order(later(PLAIN, **given))
    assert not now.is_that_of(str(before))
    assert not before.is_that_of(str(now))
    assert hash_cart("shop", later(PLAIN, **given)) != hash_cart("shop", PLAIN)


def test_each_member_counts() -> None:
    customers = [replace(PLAIN.customer, **{name: "other"}) for name in ("name", "email", "phone", "member_ref")]
    others = [replace(PLAIN, customer=customer) for customer in customers]
    others += [replace(PLAIN, coupon="X"), replace(PLAIN, benefit="X"), replace(PLAIN, lines=LINES[:1])]
    assert len({str(hash_order(one)) for one in (PLAIN, *others)}) == 8
    # Whoever corrects the name or the telephone number doesn't mean a second order.
    assert len({hash_cart("shop", one) for one in (PLAIN, *others)}) == 6


# As the first way of hashing wrote them, and as the present one does: neither may ever change.
KEPT = {
    "v1:ec2e00f322b54a1e5a74d708512f8be5dd8661ff66c806d8060ca9621855ab2b": hash_order(PLAIN),
    "v1:b3bfc5f0b82c7bf1e71d90de17f9936d4d71bf37e3e744bf98fb8a4a8d0475a7": hash_order(FULL),
    "v1:ce9597fb6e071bca214b745d600ff2c38b5bca54760a1b744c1308234eb040f7": hash_retry(AGAIN),
    "v2:cd6c12d8c82e3ff36d1942883286a19c2f0b4cdf3f5135f4f349616468729fe0": hash_order(PLAIN),
    "v2:b3bfc5f0b82c7bf1e71d90de17f9936d4d71bf37e3e744bf98fb8a4a8d0475a7": hash_order(FULL),
    "v2:3c0f9e4a4b7858d9c99d8ff0cfffb0d88ae467a540a0f0bad0eaf312d49650f1": hash_retry(AGAIN),
}


@pytest.mark.parametrize("kept", KEPT)
def test_what_was_kept_is_recognised(kept: str) -> None:
    assert KEPT[kept].is_that_of(kept)
    assert not KEPT[kept].is_that_of(kept[:-1] + "~")


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_a_key_of_another_release_leads_to_its_order(empty_shop: Shop, version: str) -> None:
    stock = Scripted("stock")
    shop, content = empty_shop.with_systems(stock), empty_shop.content()
    order = shop.submit("key", content).order
    digest = hash_order(read_order(content)).by_version.get(version, "0" * 64)
    with writing() as session:
        session.execute(update(Submission).values(content_hash=f"{version}:{digest}"))
    again = shop.submit("key", content)
    assert (again.order.id, again.result, stock.verbs()) == (order.id, Result.REPLAYED, ["act"])
    if version == "v1":
        with pytest.raises(KeyReused):
            shop.submit("key", {**content, "coupon": "OTHER"})
