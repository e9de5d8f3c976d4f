"""What the contract says of each system beyond its protocol."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.sandbox.calls import INVENTORY, MEMBERSHIP, SETTLEMENT, code, redeem, redemptions, reserve, void
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until


def available(sandbox: RunningSandbox, *skus: str) -> list[int]:
    answer = requests.get(f"{sandbox.url('inventory')}/v1/stock", params={"sku": skus}, timeout=5)
    assert [row["sku"] for row in answer.json()["stock"]] == list(skus)
    return [row["available"] for row in answer.json()["stock"]]


@pytest.fixture
def skus(sandbox, new_name) -> tuple[str, str]:
    """Two SKUs, five pieces of each."""
    made = (new_name(), new_name())
    for sku in made:
        sandbox.set("stock", sku, 5)
    return made


class TestInventory:
    def test_a_reservation_takes_its_lines_and_a_cancel_puts_them_back(self, sandbox, new_name, skus):
        key = new_name()
        reserve(sandbox, key, {skus[0]: 2, skus[1]: 5})
        assert available(sandbox, *skus) == [3, 0]
        INVENTORY.cancel(sandbox, key)
        assert available(sandbox, *skus) == [5, 5]

    def test_one_line_too_many_and_nothing_is_taken(self, sandbox, new_name, skus):
        answer = reserve(sandbox, new_name(), {skus[0]: 2, skus[1]: 6})
        assert answer.status_code == 409
        error = answer.json()["error"]
        assert (error["code"], error["sku"], error["available"]) == ("out_of_stock", skus[1], 5)
        assert available(sandbox, *skus) == [5, 5]

    def test_a_refused_request_is_refused_again_whatever_came_into_stock(self, sandbox, new_name, skus):
        key = new_name()
        first = reserve(sandbox, key, {skus[0]: 6})
        sandbox.set("stock", skus[0], 100)
        again = reserve(sandbox, key, {skus[0]: 6})
        assert (again.status_code, again.content) == (409, first.content)
        assert INVENTORY.show(sandbox, key).status_code == 404
        assert reserve(sandbox, new_name(), {skus[0]: 6}).status_code == 201

    def test_an_unknown_sku_is_out_of_stock(self, sandbox, new_name):
        answer = reserve(sandbox, new_name(), {"NO-SUCH": 1})
        assert (code(answer), answer.json()["error"]["available"]) == ("out_of_stock", 0)
        assert available(sandbox, "NO-SUCH") == [0]

    def test_lines_of_one_sku_count_together(self, sandbox, new_name, skus):
        line = {"sku": skus[0], "quantity": 3}
        answer = INVENTORY.post(sandbox, new_name(), {"order_ref": "A", "lines": [line, line]})
        assert code(answer) == "out_of_stock"

    def test_the_last_pieces_are_sold_once(self, sandbox, new_name, skus):
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda key: reserve(sandbox, key, {skus[0]: 1}), [new_name() for _ in range(24)]))
        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 19
        assert available(sandbox, skus[0]) == [0]

    @pytest.mark.parametrize("quantity", [0, -1, 1.5, "1", True, None, 10**7])
    def test_a_quantity_is_a_whole_number_of_at_least_one(self, sandbox, new_name, quantity):
        answer = reserve(sandbox, new_name(), {"TEA-GREEN": quantity})
        assert (answer.status_code, code(answer)) == (400, "invalid_request")

    @pytest.mark.parametrize(
        "lines", [[], None, {}, "x", [1], [{"sku": 1, "quantity": 1}], [{"sku": "\ud800", "quantity": 1}]]
    )
    def test_lines_are_a_list_of_objects(self, sandbox, new_name, lines):
        answer = INVENTORY.post(sandbox, new_name(), {"order_ref": "A", "lines": lines})
        assert (answer.status_code, code(answer)) == (400, "invalid_request")

    def test_a_question_about_no_stock_is_refused(self, sandbox):
        assert requests.get(f"{sandbox.url('inventory')}/v1/stock", timeout=5).status_code == 400


class TestMembership:
    def test_a_member_is_looked_up_with_benefits(self, sandbox):
        answer = requests.get(f"{sandbox.url('membership')}/v1/members/M-1002", timeout=5)
        assert answer.json() == {
            "member": {
                "ref": "M-1002",
                "name": "Blaise",
                "tier": "silver",
                "benefits": [
                    {
                        "code": "FREE-GIFT",
                        "title": "A gift on the house",
                        "remaining": 0,
                        "discount": {"kind": "amount", "value": 300, "currency": "EUR"},
                    }
                ],
            }
        }

    def test_an_unknown_member_is_not_found(self, sandbox, new_name):
        answer = requests.get(f"{sandbox.url('membership')}/v1/members/M-0", timeout=5)
        assert (answer.status_code, code(answer)) == (404, "member_not_found")
        answer = MEMBERSHIP.post(sandbox, new_name(), {"member_ref": "M-0", "benefit": "VIP5", "order_ref": "A"})
        assert (answer.status_code, code(answer)) == (404, "member_not_found")

    def test_a_consumption_uses_one_and_a_cancel_gives_it_back(self, sandbox, new_name):
        key, benefit = new_name(), "M-1001/FREE-GIFT"
        before = sandbox.value("benefits", benefit, "remaining")
        MEMBERSHIP.post(sandbox, key, {"member_ref": "M-1001", "benefit": "FREE-GIFT", "order_ref": key})
        assert sandbox.value("benefits", benefit, "remaining") == before - 1
        MEMBERSHIP.cancel(sandbox, key)
        assert sandbox.value("benefits", benefit, "remaining") == before

    @pytest.mark.parametrize(
        ("member_ref", "benefit", "expected"),
        [
            ("M-1002", "FREE-GIFT", "benefit_exhausted"),
            ("M-1001", "NO-SUCH", "benefit_exhausted"),
            ("M-1003", "VIP5", "member_suspended"),
        ],
    )
    def test_what_cannot_be_had_is_refused(self, sandbox, new_name, member_ref, benefit, expected):
        body = {"member_ref": member_ref, "benefit": benefit, "order_ref": "A"}
        answer = MEMBERSHIP.post(sandbox, new_name(), body)
        assert (answer.status_code, code(answer)) == (409, expected)


class TestSettlement:
    @pytest.fixture
    def pending_for(self, sandbox):
        """Sets how long a settlement is pending, and back afterwards."""
        yield lambda seconds: sandbox.set("options", "settlement_seconds", seconds)
        sandbox.set("options", "settlement_seconds", 0)
        sandbox.set("options", "settlement_ends_refused", 0)

    def test_it_is_pending_and_settles_by_itself(self, sandbox, new_name, pending_for):
        key = new_name()
        pending_for(0.2)
        first = SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key))
        again = SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key))
        assert (first.status_code, first.json()) == (202, SETTLEMENT.state(key, "pending"))
        assert (again.status_code, again.json()) == (200, SETTLEMENT.state(key, "pending"))
        assert sandbox.held(key) == {}
        settled = SETTLEMENT.state(key, "settled")
        assert poll_until(lambda: SETTLEMENT.show(sandbox, key).json() == settled, within_seconds=5)
        assert SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key)).json() == settled
        assert sandbox.held(key) == {"settlement": 1}

    def test_the_ledger_settles_without_being_asked_for_the_key(self, sandbox, new_name, pending_for):
        key = new_name()
        pending_for(0.1)
        SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key))
        assert poll_until(lambda: sandbox.held(key) == {"settlement": 1}, within_seconds=5)

    def test_a_pending_one_that_is_cancelled_never_settles(self, sandbox, new_name, pending_for):
        key = new_name()
        pending_for(0.1)
        SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key))
        assert SETTLEMENT.cancel(sandbox, key).json() == SETTLEMENT.state(key, "cancelled")
        later = new_name()
        SETTLEMENT.post(sandbox, later, SETTLEMENT.content(later))
        assert poll_until(lambda: sandbox.held(later) == {"settlement": 1}, within_seconds=5)
        assert sandbox.ledger(key)["effects"] == []

    def test_a_pending_one_can_end_refused(self, sandbox, new_name, pending_for):
        key = new_name()
        pending_for(0.05)
        sandbox.set("options", "settlement_ends_refused", 1)
        SETTLEMENT.post(sandbox, key, SETTLEMENT.content(key))
        refused = SETTLEMENT.state(key, "refused")
        assert poll_until(lambda: SETTLEMENT.show(sandbox, key).json() == refused, within_seconds=5)
        assert sandbox.ledger(key)["effects"] == []
        assert SETTLEMENT.cancel(sandbox, key).json() == SETTLEMENT.state(key, "cancelled")

    def test_an_amount_over_the_limit_is_refused_every_time(self, sandbox, new_name):
        key = new_name()
        body = {**SETTLEMENT.content(key), "amount": {"value": 1_000_001, "currency": "EUR"}}
        for _ in range(2):
            answer = SETTLEMENT.post(sandbox, key, body)
            assert (answer.status_code, code(answer)) == (409, "settlement_refused")

    @pytest.mark.parametrize(
        "amount",
        [None, 5, {}, {"value": 1}, {"value": "1", "currency": "EUR"}, {"value": 1.5, "currency": "EUR"}]
        + [{"value": -1, "currency": "EUR"}, {"value": 1, "currency": "eur"}, {"value": 1, "currency": 978}],
    )
    def test_an_amount_is_money(self, sandbox, new_name, amount):
        answer = SETTLEMENT.post(sandbox, new_name(), {**SETTLEMENT.content("A"), "amount": amount})
        assert (answer.status_code, code(answer)) == (400, "invalid_request")


class TestCoupon:
    @pytest.mark.parametrize(
        ("coupon", "state", "discount"),
        [
            ("WELCOME10", "active", {"kind": "percent", "value": 10}),
            ("FIVEOFF", "active", {"kind": "amount", "value": 500, "currency": "EUR"}),
            ("USEDUP", "used_up", {"kind": "percent", "value": 10}),
            ("EXPIRED", "expired", {"kind": "percent", "value": 10}),
        ],
    )
    def test_a_coupon_is_looked_up(self, sandbox, coupon, state, discount):
        answer = requests.get(f"{sandbox.url('coupon')}/v1/coupons/{coupon}", timeout=5)
        assert answer.json() == {"coupon": {"code": coupon, "state": state, "discount": discount}}

    def test_an_unknown_coupon_is_not_found(self, sandbox, new_name):
        answers = [
            requests.get(f"{sandbox.url('coupon')}/v1/coupons/NO-SUCH", timeout=5),
            redeem(sandbox, new_name(), "NO-SUCH"),
        ]
        assert [(answer.status_code, code(answer)) for answer in answers] == [(404, "coupon_not_found")] * 2

    def test_every_accepted_request_redeems_once_more(self, sandbox, new_name):
        reference = new_name()
        before = sandbox.value("coupons", "WELCOME10", "uses_left")
        answers = [redeem(sandbox, reference) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201] * 3
        made = [answer.json()["redemption"] for answer in answers]
        assert all(one["reference"] == reference and one["state"] == "redeemed" for one in made)
        assert len({one["id"] for one in made}) == 3
        assert redemptions(sandbox, reference) == made
        assert sandbox.value("coupons", "WELCOME10", "uses_left") == before - 3
        assert sandbox.ledger(reference)["net"][0]["net"] == 3

    def test_a_reference_nobody_used_has_no_redemptions(self, sandbox, new_name):
        assert redemptions(sandbox, new_name()) == []

    def test_a_void_gives_the_use_back_once(self, sandbox, new_name):
        reference = new_name()
        before = sandbox.value("coupons", "WELCOME10", "uses_left")
        redemption_id = redeem(sandbox, reference).json()["redemption"]["id"]
        first, again = void(sandbox, redemption_id), void(sandbox, redemption_id)
        assert (first.status_code, first.json()) == (200, {"redemption": {"id": redemption_id, "state": "voided"}})
        assert (again.status_code, code(again)) == (409, "already_voided")
        assert redemptions(sandbox, reference) == [{"id": redemption_id, "reference": reference, "state": "voided"}]
        assert sandbox.value("coupons", "WELCOME10", "uses_left") == before
        assert sandbox.held(reference) == {}

    def test_voiding_what_does_not_exist_is_not_found(self, sandbox):
        assert void(sandbox, "no-such").status_code == 404

    def test_a_coupon_for_one_use_is_used_up_by_it(self, sandbox, new_name):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: redeem(sandbox, new_name(), "ONCE"), range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        assert {code(answer) for answer in answers if answer.status_code == 409} == {"coupon_used_up"}
        used = next(answer for answer in answers if answer.status_code == 201)
        void(sandbox, used.json()["redemption"]["id"])
        assert redeem(sandbox, new_name(), "ONCE").status_code == 201

    def test_an_expired_coupon_is_refused(self, sandbox, new_name):
        assert code(redeem(sandbox, new_name(), "EXPIRED")) == "coupon_expired"

    def test_a_question_without_a_reference_is_refused(self, sandbox):
        assert requests.get(f"{sandbox.url('coupon')}/v1/redemptions", timeout=5).status_code == 400
