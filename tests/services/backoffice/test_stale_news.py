"""Messages that were true once: staff can't have them sent after the order has gone another way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orderapp.domain.orders import OrderRequest
from orderapp.domain.outcome import Answer, Outcome, Quote
from orderapp.domain.states import News, OrderState
from orderapp.services.backoffice.task_actions import cancel, requeue
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.systems.base import Part
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop


def _tried_again_and_cancelled(shop: Shop, stock: Scripted) -> None:
    order = shop.the_order()
    shop.retry(order.id)
    shop.cancel(order.id)  # compensating, as it was when the message was written


def _failed_again(shop: Shop, stock: Scripted) -> None:
    stock.acts.append(answers(Outcome.UNKNOWN, "timeout"))
    shop.retry(shop.the_order().id)


@pytest.mark.parametrize("goes_on", [_tried_again_and_cancelled, _failed_again])
def test_a_failure_that_a_retry_has_overtaken_is_not_told_because_somebody_requeues_it(
    empty_shop: Shop, goes_on: Callable[[Shop, Scripted], None]
) -> None:
    stock, letters = Scripted("stock"), Scripted("letters", Part.NOTIFY)
    vars(letters)["tells"] = tuple(News)
    shop = empty_shop.with_systems(stock, Scripted("bank", Part.SETTLE), letters)
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock"))
    shop.submit()
    assert shop.the_order().state is OrderState.FAILED
    (told,) = shop.tasks(kind="notify", news="failed")
    goes_on(shop, stock)
    assert shop.the_order().state is OrderState.COMPENSATING
    (item,) = requeue([told.id], COMMAND_LINE, "the customer asks", shop.settings).items
    assert "its order was tried again since, so this isn't wanted any more" in item.text
    assert shop.tasks(kind="notify", news="failed")[0].state == "cancelled"


class _Quoting(Scripted):
    """Offers a discount, or refuses to."""

    refuses = False

    def quote(self, request: OrderRequest) -> Quote | None:
        return Quote(Answer(Outcome.REFUSED, "used_up")) if self.refuses else None


@pytest.mark.parametrize("given_up_before", [False, True])
@pytest.mark.parametrize("stops_at_once", [False, True])
def test_a_failure_is_not_told_after_another_order_was_placed_in_its_place(
    empty_shop: Shop, given_up_before: bool, stops_at_once: bool
) -> None:
    stock, letters = _Quoting("stock"), Scripted("letters", Part.NOTIFY)
    vars(letters)["tells"] = (News.FAILED,)
    shop = empty_shop.with_systems(stock, letters)
    stock.acts.append(answers(Outcome.REFUSED, "out_of_stock"))
    failed = shop.submit().order
    (told,) = shop.tasks(kind="notify")
    if given_up_before:
        cancel([told.id], COMMAND_LINE, "we called them")
    stock.refuses = stops_at_once
    placed = shop.submit(replaces=failed.id)
    assert placed.order.state is (OrderState.FAILED if stops_at_once else OrderState.CONFIRMED)
    (item,) = requeue([told.id], COMMAND_LINE, "the customer asks", shop.settings).items
    assert "another order was placed in its place, so this isn't wanted any more" in item.text
    shop.work_until_quiet()
    assert shop.tasks(failed.id, kind="notify")[0].state == "cancelled"
    assert told.key not in letters.ever_done
