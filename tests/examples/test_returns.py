"""Returns of goods: a chain of jobs of one file, with partners that fail."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from examples.returns import announce, arrive, refund, tell
from orderapp.ext.testing import TestedShop, running_shop
from orderapp.services.orders.views import OrderView

NAMES = ("RETURNS", "WAREHOUSE", "REFUNDS", "MAILER")
CHAIN = (announce, refund, tell)


class Partners:
    """The page of returns, the warehouse, the bank and the mailer: what each was asked, by the return's key."""

    def __init__(self) -> None:
        self.open: list[dict[str, Any]] = []
        self.done: defaultdict[str, dict[str, Any]] = defaultdict(dict)  # by path: what was done under each key
        self.calls: list[str] = []
        self.failing = ""  # does what is asked at this path, and answers 500
        self.refusing = ""  # says no at this path
        self.pending = 0  # how often the bank isn't finished
        self.app = Flask("partners")
        self.app.add_url_rule("/v1/returns", view_func=lambda: jsonify({"returns": self.open}))
        self.app.add_url_rule("/<path:path>", view_func=self._do, methods=["POST"])

    def _do(self, path: str) -> Response | tuple[Response, int]:
        self.calls.append(path)
        if path == self.refusing:
            return jsonify({"error": {"code": "too_much", "message": "More than was paid."}}), 422
        self.done[path].setdefault(request.headers["Idempotency-Key"], request.get_json())
        if path.endswith("/close"):
            self.open = [one for one in self.open if one["number"] not in path]
        if path == self.failing:
            return jsonify({}), 500
        if path == "v1/refunds":
            self.pending -= 1
            return jsonify({"refund": {"state": "pending" if self.pending >= 0 else "refunded"}})
        return jsonify({})


class Running(NamedTuple):
    """A shop and its partners."""

    shop: TestedShop
    partners: Partners

    def announced(self, number: str, order: OrderView, quantity: int) -> None:
        """Have the customer announce a return."""
        lines = [{"sku": "TEA-GREEN", "quantity": quantity}]
        self.partners.open.append({"number": number, "order_ref": order.number, "lines": lines})

    def ended(self, *jobs: Any) -> None:
        """Work until the newest task of each job has ended or needs staff."""
        for one in jobs:
            self.shop.work_until(lambda job=one: any(ran.state in ("done", "failed") for ran in self.shop.history(job)))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    partners = Partners()
    server = make_server("127.0.0.1", 0, partners.app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    addresses = {f"{name}_URL": f"http://127.0.0.1:{server.port}" for name in NAMES}
    try:
        with running_shop(tmp_path, "examples.returns", RETRY_ATTEMPTS="3", **addresses) as shop:
            yield Running(shop, partners)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def test_the_warehouse_is_told_then_the_money_goes_back_then_the_customer_hears(running: Running) -> None:
    shop, partners = running
    order = shop.work_until_done(shop.place().order)
    running.announced("R-1", order, 1)
    assert shop.run(arrive).said == ("1 are open",)
    running.ended(*CHAIN)
    assert partners.calls == ["v1/arrivals", "v1/refunds", "v1/messages", "v1/returns/R-1/close"]
    assert partners.done["v1/refunds"] == {
        "return:R-1": {"order_ref": order.number, "amount": {"value": 790, "currency": "EUR"}}
    }
    (mail,) = partners.done["v1/messages"].values()
    assert mail["to"] == order.customer.email
    assert "€7.90 are on their way" in mail["text"]
    assert shop.run(arrive).said == ("0 are open",)


def test_it_begins_once_however_often_it_is_seen(running: Running) -> None:
    shop, partners = running
    running.announced("R-1", shop.work_until_done(shop.place().order), 2)
    shop.run(arrive)
    shop.run(arrive)
    running.ended(*CHAIN)
    assert [len(shop.history(one)) for one in CHAIN] == [1, 1, 1]
    assert partners.calls.count("v1/refunds") == 1


@pytest.mark.parametrize(("path", "at"), [("v1/arrivals", announce), ("v1/refunds", refund), ("v1/messages", tell)])
def test_an_unknown_outcome_is_repeated_under_the_same_key_and_nothing_comes_before_its_turn(
    running: Running, path: str, at: Any
) -> None:
    shop, partners = running
    running.announced("R-1", shop.work_until_done(shop.place().order), 1)
    partners.failing = path
    shop.run(arrive)
    running.ended(at)
    (stuck,) = shop.history(at)
    assert (stuck.state, len(stuck.said)) == ("failed", 3)
    assert list(partners.done[path]) == ["return:R-1"]
    later = CHAIN[CHAIN.index(at) + 1 :]
    assert [shop.history(one) for one in later] == [[] for _ in later]
    assert partners.open, "it is closed at the end only"


def test_the_bank_may_take_its_time_and_no_attempt_is_used_up(running: Running) -> None:
    shop, partners = running
    running.announced("R-1", shop.work_until_done(shop.place().order), 1)
    partners.pending = 1
    shop.run(arrive)
    shop.work_until(lambda: any("finishes it later" in text for ran in shop.history(refund) for text in ran.said))
    (waiting,) = shop.history(refund)
    assert waiting.state == "waiting"
    assert shop.history(tell) == []


def test_what_the_bank_refuses_is_for_staff(running: Running) -> None:
    shop, partners = running
    running.announced("R-1", shop.work_until_done(shop.place().order), 1)
    partners.refusing = "v1/refunds"
    shop.run(arrive)
    running.ended(refund)
    (refused,) = shop.history(refund)
    assert refused.state == "failed"
    assert "refunds answered 422 too_much: More than was paid." in refused.said[-1]


def test_more_than_was_ordered_moves_nothing(running: Running) -> None:
    shop, partners = running
    running.announced("R-1", shop.work_until_done(shop.place().order), 3)
    shop.run(arrive)
    running.ended(announce)
    assert shop.history(announce)[0].state == "failed"
    assert partners.calls == []


def test_of_a_cancelled_order_nothing_is_refunded_twice(running: Running) -> None:
    shop, partners = running
    order = shop.work_until_done(shop.place().order)
    running.announced("R-1", order, 1)
    shop.cancel(order)
    shop.work_until_done(order)
    shop.run(arrive)
    running.ended(announce)
    assert "the order was cancelled" in shop.history(announce)[0].said[0]
    assert partners.calls == ["v1/returns/R-1/close"]


def test_its_tasks_show_no_personal_data(running: Running) -> None:
    shop, _ = running
    order = shop.work_until_done(shop.place().order)
    running.announced("R-1", order, 1)
    shop.run(arrive)
    running.ended(*CHAIN)
    assert order.customer.email not in repr([shop.history(one) for one in CHAIN])
