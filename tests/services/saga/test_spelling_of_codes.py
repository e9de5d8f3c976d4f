"""Codes as the systems spell them: what the customer typed is only what they are found by."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator

import pytest

from orderapp.domain.orders import OrderDocument
from orderapp.domain.outcome import Outcome
from orderapp.errors import ProbableDuplicate
from orderapp.services.db.transactions import reading
from orderapp.services.placing.place import Result
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.coupon import Coupon
from orderapp.systems.membership import Membership
from tests.services.scripted import Killed, Scripted, answers, dies
from tests.services.shop import Shop
from tests.systems.making import make
from tests.systems.raw_server import RawServer, Talk, http_answer, serving

OFFER = {"kind": "percent", "value": 10}


class Partner:
    """Finds codes however they are written, and takes them only as they were printed."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self._lock = threading.Lock()

    def talk(self, talk: Talk) -> None:
        while True:
            head, _, body = talk.read_request().partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            with self._lock:
                status, answer = self._asked(path) if method == "GET" else self._wanted(head.decode(), json.loads(body))
            talk.say(http_answer(json.dumps(answer).encode(), status))

    def _asked(self, path: str) -> tuple[str, object]:
        if path.startswith("/v1/redemptions"):
            return "200 OK", {"redemptions": []}
        benefits = [{"code": "Free-Tea", "title": "Tea", "remaining": 9, "discount": OFFER}]
        member = {"ref": "M-1001x", "name": "Ada", "tier": "gold", "benefits": benefits}
        return "200 OK", {"coupon": {"code": "WELCOME10", "state": "active", "discount": OFFER}, "member": member}

    def _wanted(self, head: str, body: dict[str, str]) -> tuple[str, object]:
        as_printed = {"code": "WELCOME10", "benefit": "Free-Tea", "member_ref": "M-1001x"}
        if any(body.get(name, printed) != printed for name, printed in as_printed.items()):
            return "409 Conflict", {"error": {"code": "no_such_code", "message": f"Nobody knows {body}"}}
        self.taken.append(body)
        key = head.partition("Idempotency-Key: ")[2].partition("\r\n")[0]
        made = {"id": "r-1", "reference": body.get("reference"), "state": "redeemed"}
        return "201 Created", {"redemption": made, "consumption": {"key": key, "state": "consumed"}}


@pytest.fixture
def partner() -> Partner:
    return Partner()


@pytest.fixture
def server(partner: Partner) -> Iterator[RawServer]:
    with serving(partner.talk) as server:
        yield server


@pytest.fixture
def stock() -> Scripted:
    return Scripted("stock", position=5)


@pytest.fixture
def shop(empty_shop: Shop, stock: Scripted, server: RawServer) -> Shop:
    return empty_shop.with_systems(
        stock, make(Coupon, server.url, COUPON_LATE_SECONDS="0"), make(Membership, server.url)
    )


def document(order_id: uuid.UUID) -> OrderDocument:
    with reading() as session:
        return load_document(session, order_id)


TYPED = ["welcome10", "Welcome10", "WELCOME10", " welcome10\u00a0", "\ufeffwelcome10\u200b", "\u2060 WELCOME10\t\n"]


@pytest.mark.parametrize("typed", TYPED)
def test_a_coupon_is_redeemed_as_the_partner_spells_it(shop: Shop, partner: Partner, typed: str) -> None:
    placed = shop.submit(coupon=typed)
    assert placed.result is Result.CONFIRMED
    assert [one["code"] for one in partner.taken] == ["WELCOME10"]
    assert [one.code for one in placed.order.discounts] == ["WELCOME10"]
    assert document(placed.order.id).inputs["coupon"] == "WELCOME10"


def test_a_benefit_is_used_as_the_partner_spells_it_and_its_member(shop: Shop, partner: Partner) -> None:
    customer = {"name": "Ada", "email": "ada-b@example.com", "member_ref": "m-1001X"}
    placed = shop.submit(benefit="FREE-TEA", customer=customer)
    assert placed.result is Result.CONFIRMED
    assert [(one["benefit"], one["member_ref"]) for one in partner.taken] == [("Free-Tea", "M-1001x")]
    assert document(placed.order.id).inputs == {"benefit": "Free-Tea", "member_ref": "M-1001x"}


def test_an_order_that_is_tried_again_uses_the_partners_spelling(shop: Shop, stock: Scripted, partner: Partner) -> None:
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock", repeatable=False))
    failed = shop.submit(coupon="welcome10").order
    assert document(failed.id).inputs["coupon"] == "WELCOME10"
    assert shop.retry(failed.id).result is Result.CONFIRMED
    assert [one["code"] for one in partner.taken] == ["WELCOME10"]


def test_an_order_whose_code_couldnt_be_looked_up_has_the_spelling_once_it_is_tried_again(
    empty_shop: Shop, stock: Scripted, shop: Shop, partner: Partner, free_port: int
) -> None:
    silent = empty_shop.with_systems(stock, make(Coupon, f"http://127.0.0.1:{free_port}"))
    failed = silent.submit(coupon="welcome10").order
    assert failed.state.value == "failed"
    assert shop.retry(failed.id).result is Result.CONFIRMED
    assert document(failed.id).inputs["coupon"] == "WELCOME10"
    assert [one["code"] for one in partner.taken] == ["WELCOME10"]


def test_an_order_that_is_resumed_uses_the_partners_spelling(shop: Shop, stock: Scripted, partner: Partner) -> None:
    stock.acts.append(dies)
    content = shop.content(coupon="welcome10")
    with pytest.raises(Killed):
        shop.submit("one", content)
    shop.let_submission_leases_lapse()
    assert shop.submit("one", content).result is Result.CONFIRMED
    assert [one["code"] for one in partner.taken] == ["WELCOME10"]


def test_carts_that_differ_in_the_capitals_of_a_code_are_identical(shop: Shop) -> None:
    content = shop.content(coupon="welcome10")
    assert shop.submit("one", content).result is Result.CONFIRMED
    for typed in ("WELCOME10", "Welcome10 "):
        with pytest.raises(ProbableDuplicate):
            shop.submit(f"other {typed}", {**content, "coupon": typed})
    assert shop.submit("one", content).result is Result.REPLAYED
