"""Tasks that wait for others of their order, and a refusal that cancels it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orderapp.domain.orders import Effect
from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.states import News, OrderState, TaskKind
from orderapp.errors import ConfigurationError
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.run_task import run_task
from orderapp.services.placing.place import Result
from orderapp.systems.base import OnRefusal, Part, System
from orderapp.systems.declarations import refuse_impossible, refuse_impossible_order
from tests.services.scripted import OneOfEach, Scripted, answers
from tests.services.shop import Shop


def following(name: str, *after: str, part: Part = Part.TASK, **declared: Any) -> Scripted:
    """Return a system whose task waits for those of others."""
    system = Scripted(name, part)
    vars(system).update(after=after, **declared)
    return system


@pytest.fixture
def bank() -> Scripted:
    return Scripted("bank", Part.SETTLE)


@pytest.fixture
def paper() -> Scripted:
    return following("paper", "bank")


@pytest.fixture
def mail() -> Scripted:
    return following("letters", "bank", "paper", part=Part.NOTIFY)


@pytest.fixture
def shop2(empty_shop: Shop, bank: Scripted, paper: Scripted, mail: Scripted) -> Shop:
    return empty_shop.with_systems(Scripted("stock"), mail, paper, bank)


def calls(*systems: Scripted) -> list[Sequence[str]]:
    return [system.verbs() for system in systems]


def test_each_begins_when_those_before_it_are_done(
    shop2: Shop, bank: Scripted, paper: Scripted, mail: Scripted
) -> None:
    order_of_calls: list[str] = []
    for system in (bank, paper, mail):
        system.before = lambda verb, effect, name=system.name: order_of_calls.append(name)  # type: ignore[misc]
    shop2.submit()
    shop2.work_until_quiet(within_seconds=5)  # each is made due by the one before it, not by the clock
    assert order_of_calls == ["bank", "paper", "letters"]


def test_what_waits_uses_up_nothing_and_says_for_what(shop2: Shop, bank: Scripted, paper: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    shop2.submit()
    for _ in range(3):
        shop2.make_due()
        shop2.work()
    task = shop2.task(system="paper")
    assert (task.state, task.attempts, task.claims) == ("waiting", 0, 0)
    assert task.last_message == "waits until Bank is done"
    assert shop2.task(system="letters").last_message == "waits until Bank and Paper is done"
    assert calls(paper) == [[]]


def test_it_goes_on_after_staff_have_put_right_what_it_waits_for(shop2: Shop, bank: Scripted, paper: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    shop2.submit()
    shop2.work()
    shop2.work()
    task_actions.requeue([shop2.task(system="bank").id], COMMAND_LINE, "a new card", shop2.settings)
    shop2.work_until_quiet(within_seconds=5)
    assert calls(paper) == [["act"]]


def test_nobody_waits_for_what_staff_gave_up(shop2: Shop, bank: Scripted, paper: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    shop2.submit()
    shop2.work()
    shop2.work()
    task_actions.cancel([shop2.task(system="bank").id], COMMAND_LINE, "paid in cash")
    shop2.make_due()
    shop2.work_until_quiet()
    assert calls(paper) == [["act"]]


def test_what_waits_is_due_when_it_is_looked_at_again(shop2: Shop, bank: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    shop2.submit()
    shop2.work()
    task = shop2.task(system="paper")
    assert task.due_at == task.publish_at
    assert 50 < (shop2.seconds_until_due(task.id) or 0) <= 60


def test_a_cancelled_order_leaves_nothing_that_waits(shop2: Shop, bank: Scripted, paper: Scripted) -> None:
    bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    order = shop2.submit().order
    shop2.work()
    shop2.cancel(order.id)
    shop2.work_until_quiet_but_for_staff()
    assert shop2.view(order.id).state is OrderState.CANCELLED
    assert calls(paper) == [[]]


def test_work_that_is_not_money_is_compensated_and_compared_like_a_settlement(empty_shop: Shop) -> None:
    stock, paper = Scripted("stock"), Scripted("paper", Part.TASK)
    shop = empty_shop.with_systems(stock, paper)
    order = shop.submit().order
    shop.work_until_quiet()
    assert [task.kind for task in shop.tasks(system="paper")] == ["task"]
    shop.cancel(order.id)
    shop.work_until_quiet_but_for_staff()
    assert (paper.held, stock.held, shop.view(order.id).state) == (0, 0, OrderState.CANCELLED)


def test_a_refusal_cancels_the_order_where_that_is_declared(empty_shop: Shop) -> None:
    one = OneOfEach()
    vars(one.bank)["on_refusal"] = OnRefusal.CANCELS_ORDER
    shop = empty_shop.with_systems(*one.all)
    one.bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    order = shop.submit().order
    shop.work_until_quiet_but_for_staff()
    assert shop.view(order.id).state is OrderState.CANCELLED
    assert one.held == [0, 0, 0]
    assert shop.tasks(kind=TaskKind.SETTLE.value, state="failed") == []


def test_the_customer_is_told_which_refusal_cancelled_the_order(empty_shop: Shop) -> None:
    one, mail, told = OneOfEach(), Scripted("letters", Part.NOTIFY), []
    vars(one.bank)["on_refusal"] = OnRefusal.CANCELS_ORDER
    vars(one.bank)["refusals"] = {"card_expired": "Your card has expired."}
    vars(mail)["tells"] = tuple(News)
    mail.before = lambda verb, effect: told.append((effect.key, effect.news, effect.reason))
    shop = empty_shop.with_systems(*one.all, mail)
    one.bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    order = shop.submit().order
    shop.work_until_quiet_but_for_staff()
    key = f"{order.number}:1:letters"
    assert told[-1] == (f"{key}:cancelled", News.CANCELLED, "Your card has expired.")
    assert [one for one in told if one[1] is News.CANCELLED] == told[-1:]
    stopped = shop.view(order.id).stopped
    assert stopped is not None
    assert (stopped.system, stopped.code) == ("bank", "card_expired")


def test_the_key_of_an_order_that_a_refusal_cancelled_leads_to_it_and_not_to_a_refusal(empty_shop: Shop) -> None:
    one = OneOfEach()
    vars(one.bank)["on_refusal"] = OnRefusal.CANCELS_ORDER
    shop = empty_shop.with_systems(*one.all)
    one.bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    content = shop.content()
    order = shop.submit("the-key", content).order
    run_task(shop.task(kind=TaskKind.SETTLE.value).id, shop.settings)
    for state in (OrderState.COMPENSATING, OrderState.CANCELLED):
        again = shop.submit("the-key", content)
        assert (again.result, again.order.id, again.order.state) == (Result.REPLAYED, order.id, state)
        shop.work_until_quiet_but_for_staff()


def test_who_lost_the_lease_says_nothing_of_a_refusal_that_cancelled_the_order_since(empty_shop: Shop) -> None:
    one = OneOfEach()
    vars(one.bank)["on_refusal"] = OnRefusal.CANCELS_ORDER
    shop = empty_shop.with_systems(one.stock, one.bank)
    one.bank.acts.append(answers(Outcome.REFUSED, "card_expired", repeatable=False))
    content = shop.content()

    def is_overtaken(effect: Effect) -> Answer:
        shop.let_submission_leases_lapse()
        assert shop.submit("the-key", content).result is Result.CONFIRMED
        run_task(shop.task(kind=TaskKind.SETTLE.value).id, shop.settings)
        return one.stock.do(effect)

    one.stock.acts.append(is_overtaken)
    placed = shop.submit("the-key", content)
    assert (placed.result, placed.order.state) == (Result.REPLAYED, OrderState.COMPENSATING)


def test_an_unknown_outcome_cancels_nothing(empty_shop: Shop) -> None:
    one = OneOfEach()
    vars(one.bank)["on_refusal"] = OnRefusal.CANCELS_ORDER
    shop = empty_shop.with_systems(*one.all)
    one.bank.acts.extend([answers(Outcome.UNKNOWN, "timeout")] * 5)
    order = shop.submit().order
    for _ in range(6):
        shop.make_due()
        shop.work()
    assert shop.view(order.id).state is OrderState.CONFIRMED
    assert shop.task(system="bank").state == "failed"


def order_of(**after: tuple[str, ...]) -> dict[str, System]:
    return {"stock": Scripted("stock"), **{name: following(name, *names) for name, names in after.items()}}


@pytest.mark.parametrize(
    ("systems", "told"),
    [
        (order_of(a=("a",)), "system a: after: it would wait for itself"),
        (order_of(a=("b",), b=("c",), c=("a",)), "it would wait for itself"),
        (order_of(a=("nobody",)), "system a: after: nobody is no system with tasks"),
        (order_of(a=("stock",)), "system a: after: stock is no system with tasks"),
    ],
)
def test_what_can_never_begin_is_refused_at_the_start(systems: dict[str, System], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        refuse_impossible_order(systems)


@pytest.mark.parametrize(
    ("system", "told"),
    [
        (following("a", "bank", part=Part.BLOCKING), "it waits for none"),
        (following("a", part=Part.NOTIFY, on_refusal=OnRefusal.CANCELS_ORDER), "can cancel its order"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(system: System, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        refuse_impossible(system)
