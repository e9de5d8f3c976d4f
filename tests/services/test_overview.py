"""The figures of the back office's first page, against what is there."""

from __future__ import annotations

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, TaskState
from orderapp.services.overview import look
from orderapp.systems.base import Part
from tests.services.scripted import Killed, Scripted, answers, does_it_and_dies
from tests.services.shop import Shop


def test_it_counts_the_orders_that_are_under_way(empty_shop: Shop) -> None:
    stock, bank = Scripted("stock"), Scripted("bank", Part.SETTLE)
    shop = empty_shop.with_systems(stock, bank)
    shop.submit()
    for _ in range(2):
        stock.acts.append(answers(Outcome.UNKNOWN, "timeout"))
        shop.submit()
    for _ in range(3):
        stock.acts.append(does_it_and_dies(stock))
        try:
            shop.submit()
        except Killed:
            continue
    seen = look(shop.settings.systems)
    numbers = {state: count.number for state, count in seen.orders.items()}
    assert numbers == {OrderState.PLACING: 3, OrderState.COMPENSATING: 2}
    assert {state: count.number for state, count in seen.tasks.items() if count.number} == {TaskState.WAITING: 3}
