"""One item that raises is skipped, counted and shown; the rest goes on, and so does the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orderapp.domain.orders import Effect, OrderDocument, OrderRequest
from orderapp.domain.outcome import Answer, Finding, Outcome, Report
from orderapp.domain.retry import Guarantee
from orderapp.domain.states import OrderState
from orderapp.services.backoffice.overview import look
from orderapp.services.engine.batch import Together
from orderapp.services.engine.recovery import recover
from orderapp.services.operations.metrics import read_numbers
from orderapp.services.placing.place import Result
from tests.services.listening import reconciled
from tests.services.scripted import Killed, OneOfEach, Scripted, dies
from tests.services.shop import Shop


class Odd(Exception):
    """What no code of ours knows."""


def raises(*_: Any) -> Any:
    raise Odd("Ada Lovelace is odd")


@pytest.mark.parametrize("gives", [raises, lambda *_: None, lambda *_: "done"])
def test_an_act_that_raises_is_unknown_and_the_order_is_compensated(
    empty_shop: Shop, gives: Callable[[Effect], Answer]
) -> None:
    stock = Scripted("stock")
    shop = empty_shop.with_systems(stock)
    stock.acts.append(gives)
    placed = shop.submit()
    assert placed.result is Result.UNAVAILABLE
    [attempt] = shop.attempts(verb="act")
    assert (attempt.outcome, attempt.code, attempt.worked) == ("unknown", "connector_error", False)
    shop.work_until_quiet()
    assert (shop.view(placed.order.id).state, stock.verbs()) == (OrderState.FAILED, ["act", "undo"])


@pytest.mark.parametrize("verb", ["ask", "undo"])
def test_an_ask_or_undo_that_raises_is_tried_again(empty_shop: Shop, verb: str) -> None:
    guarantee = Guarantee.QUERY_FIRST if verb == "ask" else Guarantee.IDEMPOTENT
    stock = Scripted("stock", guarantee=guarantee, attempts=9)
    shop = empty_shop.with_systems(stock)
    order = shop.submit().order
    shop.cancel(order.id)
    stock.before = lambda called, effect: raises() if called == verb else None
    shop.make_due()
    shop.work()
    task = shop.task(kind="compensate")
    assert (task.state, task.last_code) == ("waiting", "connector_error")
    stock.before = lambda called, effect: None
    shop.let_probes_be_due()
    shop.work_until_quiet()
    assert (shop.view(order.id).state, stock.held) == (OrderState.CANCELLED, 0)


def test_a_system_that_cannot_say_whether_it_has_a_part_is_unavailable(empty_shop: Shop) -> None:
    class Unsure(Scripted):
        def concerns(self, order: object) -> bool:
            return bool(raises())

    stock = Unsure("stock")
    shop = empty_shop.with_systems(stock)
    placed = shop.submit()
    assert (placed.result, placed.order.state, stock.calls) == (Result.UNAVAILABLE, OrderState.FAILED, [])
    [attempt] = shop.attempts()
    assert (attempt.outcome, attempt.code) == ("not_sent", "connector_error")
    assert attempt.message.startswith("its connector raised Odd in concerns: [masked]")


def shown(shop: Shop) -> list[tuple[str, str]]:
    """Return kind and id of what staff see to be skipped."""
    return [(one.kind, one.item) for one in look(shop.settings.systems).skipped]


class Choosy(Scripted):
    """A system that has a part only in orders with a coupon, and declares nonsense."""

    nonsense = False

    @property
    def late_window_seconds(self) -> float:
        return raises() if self.nonsense else 0.0

    @late_window_seconds.setter
    def late_window_seconds(self, seconds: float) -> None:
        pass

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        return bool(order.inputs["coupon"])


def test_a_placement_that_cannot_be_recovered_does_not_keep_the_others_from_it(empty_shop: Shop) -> None:
    stock, choosy = Scripted("stock", position=1), Choosy("choosy", position=2)
    shop = empty_shop.with_systems(stock, choosy)
    for coupon in ("", "ODD", ""):
        stock.acts.append(dies)
        with pytest.raises(Killed):
            shop.submit(coupon=coupon)
    choosy.nonsense = True
    shop.let_submission_leases_lapse()
    recover(shop.settings)
    states = sorted(shop.orders_in(state) for state in (OrderState.PLACING, OrderState.COMPENSATING))
    assert states == [1, 2]
    [(kind, submission)] = shown(shop)
    assert kind == "placement"
    assert int(submission) > 0
    assert recover(shop.settings).placements == 0, "it isn't tried again at once"

    choosy.nonsense = False
    shop.let_skipped_items_be_tried_again()
    shop.work_until_quiet()
    assert shop.orders_in(OrderState.FAILED) == 3


def test_a_task_that_cannot_be_recorded_does_not_keep_the_others_from_it(busy_shop: Shop, systems: OneOfEach) -> None:
    for _ in range(3):
        busy_shop.submit()
    bad = busy_shop.tasks(kind="settle")[1]

    def unwritable(effect: Effect) -> Answer:
        systems.bank.do(effect)
        return Answer(Outcome.DONE, "\ud800" if effect.key == bad.key else "")

    systems.bank.acts.extend([unwritable] * 3)
    ids = [task.id for task in busy_shop.tasks(kind="settle")]
    Together(systems.bank, busy_shop.settings).run(ids, lambda: True)
    assert [task.state for task in busy_shop.tasks(kind="settle")] == ["done", "running", "done"]
    assert ("task", str(bad.id)) in shown(busy_shop)
    assert read_numbers(list(busy_shop.settings.systems)).skipped["task"] == 1
    busy_shop.let_task_leases_lapse()
    busy_shop.work_until_quiet()
    assert {task.state for task in busy_shop.tasks(kind="settle")} == {"done"}
    assert systems.bank.held == 3


def test_an_order_that_cannot_be_compared_does_not_end_a_reconciliation(busy_shop: Shop, systems: OneOfEach) -> None:
    orders = [busy_shop.submit().order for _ in range(3)]
    busy_shop.work_until_quiet()
    odd = busy_shop.steps(orders[1].id)[0].key
    ask = systems.stock.ask

    def asking(effect: Effect) -> Report:
        nonsense: Any = None
        return Report(Finding.IN_PLACE, Answer(Outcome.DONE), nonsense) if effect.key == odd else ask(effect)

    systems.stock.ask = asking  # type: ignore[method-assign]
    [run] = {run.id: run for run in reconciled(busy_shop).runs}.values()
    assert run.finished or run.id
    assert shown(busy_shop) == [("order", orders[1].number)]
