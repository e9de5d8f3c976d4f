"""A repeat is recognised by its content, over releases that ask for more than the one that took the order."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import update

from orderapp.domain.money import Money
from orderapp.domain.orders import Customer, LineRequest, OrderRequest
from orderapp.models import Submission
from orderapp.services.db.transactions import writing
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


def test_what_a_page_showed_is_no_content_however_large_the_sum() -> None:
    shown = replace(PLAIN, expected_total=Money(10**30, "EUR"), expected_subtotal=Money(10**30, "EUR"))
    assert hash_order(shown) == hash_order(PLAIN)
    assert hash_cart("shop", shown) == hash_cart("shop", PLAIN)


def test_each_member_counts() -> None:
    customers = [replace(PLAIN.customer, **{name: "other"}) for name in ("name", "email", "phone", "member_ref")]
    others = [replace(PLAIN, customer=customer) for customer in customers]
    others += [replace(PLAIN, coupon="X"), replace(PLAIN, benefit="X"), replace(PLAIN, lines=LINES[:1])]
    assert len({str(hash_order(one)) for one in (PLAIN, *others)}) == 8
    # Whoever corrects the name or the telephone number doesn't mean a second order.
    assert len({hash_cart("shop", one) for one in (PLAIN, *others)}) == 6


# As the present way of hashing writes them, which may never change.
KEPT = {
    "v1:5c791df55201de3a2cd225211974f8c10600bfafdd865a4d7171c0b6874cfe9d": hash_order(PLAIN),
    "v1:9106ba3e3611938918bb60ca64e428268d920887c7ce970730aea267aed95115": hash_order(FULL),
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
