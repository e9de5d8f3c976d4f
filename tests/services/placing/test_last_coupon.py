"""The customer tries again while the earlier placement still holds the last use of the coupon."""

from __future__ import annotations

import pytest

from orderapp.domain.states import OrderState
from orderapp.errors import CompensationInProgress
from orderapp.services.placing.place import Result
from tests.sandbox.running import RunningSandbox
from tests.services.shop import Shop

CODE = "WELCOME10"


def test_trying_again_while_the_last_coupon_is_still_held_waits_for_it_and_then_gets_it(
    shop: Shop, sandbox: RunningSandbox
) -> None:
    before = sandbox.value("coupons", CODE, "uses_left")
    sandbox.set("coupons", CODE, 1)
    sandbox.fault("membership", "error_before", scope="do")
    placed = shop.submit(content=shop.content(coupon=CODE, benefit="VIP5"))
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.COMPENSATING)
    assert sandbox.held(placed.order.number) == {"inventory": 1, "coupon": 1}
    sandbox.clear_faults()
    with pytest.raises(CompensationInProgress):
        shop.retry(placed.order.id, "again")
    assert len(shop.placements(placed.order.id)) == 1, "no false 'already used' was recorded"
    shop.work_until_quiet()
    again = shop.retry(placed.order.id, "again")
    assert again.result is Result.CONFIRMED
    assert [discount.code for discount in again.order.discounts] == [CODE, "VIP5"]
    assert sandbox.held(placed.order.number) == {"inventory": 1, "coupon": 1, "membership": 1}
    sandbox.set("coupons", CODE, before)
