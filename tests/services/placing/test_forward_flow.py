"""The way of an order when all goes well, and when one system refuses, fails or leaves it open."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState, StepState, TaskKind, TaskState
from orderapp.models import SwitchMode, SystemSwitch, db_now
from orderapp.services.db.transactions import writing
from orderapp.services.placing.place import Placed, Result
from orderapp.systems.base import Repeats
from orderapp.systems.settings import Environment
from tests.sandbox.running import RunningSandbox
from tests.servers.loopback import poll_until
from tests.services.scripted import Scripted, answers
from tests.services.shop import Shop, names

EVERYTHING = {"coupon": "WELCOME10", "benefit": "VIP5"}
EACH_ONCE = {"inventory": 1, "coupon": 1, "membership": 1, "settlement": 1}
BLOCKING = ("inventory", "coupon", "membership")
# Each way in which a call can go wrong and leave no answer that could be relied on.
OUTAGES = (
    "down",
    "slow",
    "rate_limited",
    "unauthorized",
    "error_before",
    "error_after",
    "cut_before",
    "cut_after",
    "late_effect",
    "garbage",
    "redirect",
)
NOTHING_WAS_SENT = {"rate_limited", "unauthorized"}


def test_an_order_with_everything_is_confirmed_with_each_effect_once(shop: Shop, sandbox: RunningSandbox) -> None:
    placed = shop.submit(**EVERYTHING)
    assert (placed.result, placed.order.state) == (Result.CONFIRMED, OrderState.CONFIRMED)
    assert [(step.system, step.state) for step in placed.order.steps] == [(name, StepState.DONE) for name in BLOCKING]
    assert [(one.source, one.amount.minor) for one in placed.order.discounts] == [("coupon", 200), ("membership", 100)]
    assert placed.order.total.minor == 1700
    assert sandbox.held(placed.order.number) == {"inventory": 1, "coupon": 1, "membership": 1}
    assert placed.order == shop.view(placed.order.id), "the answer is what is stored"

    shop.work_until_quiet()
    assert sandbox.held(placed.order.number) == EACH_ONCE
    assert names(shop.tasks(placed.order.id)) == {("settle", "settlement", "done"), ("notify", "email", "done")}


def test_systems_without_a_part_in_the_order_are_left_alone(shop: Shop, sandbox: RunningSandbox) -> None:
    placed = shop.submit()
    assert [step.system for step in placed.order.steps] == ["inventory"]
    shop.work_until_quiet()
    assert sandbox.held(placed.order.number) == {"inventory": 1, "settlement": 1}


def test_a_phone_number_gets_a_text_message(shop: Shop, sandbox: RunningSandbox) -> None:
    content = shop.content()
    content["customer"]["phone"] = "+4930901820"
    placed = shop.submit(content=content)
    shop.work_until_quiet()
    assert ("notify", "sms", "done") in names(shop.tasks(placed.order.id))
    assert [text for text in sandbox.rows("texts") if placed.order.number in text["body"]]


@pytest.mark.parametrize(
    ("system", "content", "code"),
    [
        ("inventory", {"lines": [{"sku": "SCALE-01", "quantity": 1}]}, "out_of_stock"),
        ("coupon", {"coupon": "USEDUP"}, "coupon_used_up"),
        ("coupon", {"coupon": "EXPIRED"}, "coupon_expired"),
        ("membership", {"customer": {"name": "Blaise", "email": "b@example.com", "member_ref": "M-1002"},
                        "benefit": "FREE-GIFT"}, "benefit_exhausted"),
        ("membership", {"customer": {"name": "Charles", "email": "c@example.com", "member_ref": "M-1003"},
                        "benefit": "VIP5"}, "member_suspended"),
    ],
)  # fmt: skip
def test_a_refusal_fails_the_order_and_leaves_nothing_behind(
    shop: Shop, sandbox: RunningSandbox, system: str, content: dict[str, object], code: str
) -> None:
    placed = shop.submit(**{"coupon": "WELCOME10", **content})
    assert placed.result is Result.REFUSED
    assert placed.stopped is not None
    assert (placed.stopped.system, placed.stopped.code) == (system, code)
    shop.work_until_quiet()
    assert shop.view(placed.order.id).state is OrderState.FAILED
    assert sandbox.held(placed.order.number) == {}


@pytest.mark.parametrize("system", BLOCKING)
def test_a_refusal_to_the_act_itself_compensates_what_came_before(
    shop: Shop, sandbox: RunningSandbox, system: str
) -> None:
    sandbox.fault(system, "refuses")
    placed = shop.submit(**EVERYTHING)
    assert placed.result is Result.REFUSED
    assert placed.stopped is not None
    assert placed.stopped.code == "refused_by_sandbox"
    refused = next(step for step in placed.order.steps if step.system == system)
    assert refused.state is StepState.REFUSED
    before = BLOCKING[: BLOCKING.index(system)]
    assert {task.system for task in shop.tasks(placed.order.id, kind="compensate")} == set(before)
    shop.work_until_quiet()
    assert shop.view(placed.order.id).state is OrderState.FAILED
    assert sandbox.held(placed.order.number) == {}


@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_of_any_system_fails_the_order_and_it_can_be_tried_again(
    shop: Shop, sandbox: RunningSandbox, outage: str
) -> None:
    orders = {system: _place_during(shop, sandbox, outage, system) for system in BLOCKING}
    shop.work_until_quiet()
    assert poll_until(lambda: sandbox.ledger()["waiting"] == 0, within_seconds=5)
    for placed in orders.values():
        assert shop.view(placed.order.id).state is OrderState.FAILED
        assert sandbox.held(placed.order.number) == {}

    again = [shop.retry(placed.order.id) for placed in orders.values()]
    shop.work_until_quiet()
    for placed in again:
        assert placed.result is Result.CONFIRMED
        assert sandbox.held(placed.order.number) == EACH_ONCE


def _place_during(shop: Shop, sandbox: RunningSandbox, outage: str, system: str) -> Placed:
    sandbox.fault(system, outage, scope="do", seconds=0.7 if outage == "slow" else 0.2)
    if outage == "slow":
        shop = _impatient(shop, sandbox, system)
    placed = shop.submit(**EVERYTHING)
    sandbox.clear_faults()
    assert placed.result is Result.UNAVAILABLE
    stopped_at = next(step for step in placed.order.steps if step.system == system)
    # What was proven not to have been sent leaves nothing to undo; everything else may have happened.
    assert stopped_at.state is (StepState.PLANNED if outage in NOTHING_WAS_SENT else StepState.UNKNOWN)
    return placed


def _impatient(shop: Shop, sandbox: RunningSandbox, system: str) -> Shop:
    """Return the same shop, which waits four tenths of a second for an answer of one of its systems."""
    env = Environment({**sandbox.environ(), f"{system.upper()}_TIMEOUT": "0.4,0.4"}, production=True)
    return shop.with_system(type(shop.settings.systems[system]).from_environment(env, shop.settings.backoff))


def test_a_system_that_cannot_be_reached_is_owed_no_compensation(shop: Shop, sandbox: RunningSandbox) -> None:
    sandbox.stop()
    try:
        placed = shop.submit()
    finally:
        sandbox.start()
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.FAILED)
    assert {task.kind for task in placed.order.tasks} == {TaskKind.NOTIFY}


@pytest.mark.parametrize(("mode", "confirmed"), [("paused", False), ("compensate_only", False), ("on", True)])
def test_a_paused_system_is_sent_nothing_and_fails_the_order_at_once(
    shop: Shop, sandbox: RunningSandbox, mode: str, confirmed: bool
) -> None:
    switch = {"system": "membership", "mode": SwitchMode(mode).value, "reason": "works", "changed_at": db_now()}
    with writing() as session:
        session.execute(insert(SystemSwitch).values(**switch))
    placed = shop.submit(**EVERYTHING)
    assert (placed.result is Result.CONFIRMED) == confirmed
    if not confirmed:
        assert placed.stopped is not None
        assert (placed.stopped.system, placed.stopped.code) == ("membership", "paused")
        assert sandbox.ledger(placed.order.number, "membership")["effects"] == []
        shop.work_until_quiet()
        assert sandbox.held(placed.order.number) == {}


def test_a_discount_that_cannot_be_asked_for_reserves_nothing(shop: Shop, sandbox: RunningSandbox) -> None:
    sandbox.fault("coupon", "error_before", scope="reads")
    placed = shop.submit(**EVERYTHING)
    assert (placed.result, placed.order.state) == (Result.UNAVAILABLE, OrderState.FAILED)
    assert [attempt.verb for attempt in shop.attempts(order_id=placed.order.id)] == ["quote"]
    assert sandbox.ledger(placed.order.number)["effects"] == []


def test_a_refused_settlement_waits_for_staff_and_the_order_stays_confirmed(
    shop: Shop, sandbox: RunningSandbox
) -> None:
    sandbox.fault("settlement", "refuses")
    placed = shop.submit()
    shop.work_until_quiet()
    [settle] = shop.tasks(placed.order.id, kind="settle")
    assert (settle.state, settle.last_code) == (TaskState.FAILED.value, "refused_by_sandbox")
    assert shop.view(placed.order.id).state is OrderState.CONFIRMED


def test_a_pending_settlement_is_asked_for_again_without_using_up_attempts(shop: Shop, sandbox: RunningSandbox) -> None:
    sandbox.set("options", "settlement_seconds", 0.3)
    placed = shop.submit()
    shop.work()
    [settle] = shop.tasks(placed.order.id, kind="settle")
    assert (settle.state, settle.attempts, settle.claims) == ("waiting", 0, 1)
    assert poll_until(lambda: "settlement" in sandbox.held(placed.order.number), within_seconds=5)
    shop.make_due()
    shop.work_until_quiet()
    [settle] = shop.tasks(placed.order.id, kind="settle")
    assert (settle.state, settle.attempts, settle.claims) == ("done", 1, 2)
    assert sandbox.held(placed.order.number)["settlement"] == 1


@pytest.mark.parametrize(
    ("repeatable", "result", "tries"), [(True, Result.CONFIRMED, 2), (False, Result.UNAVAILABLE, 1)]
)
def test_a_call_is_repeated_in_the_request_only_if_its_answer_says_that_it_may(
    empty_shop: Shop, repeatable: bool, result: Result, tries: int
) -> None:
    stock = Scripted("stock", repeats=Repeats(not_sent=1, unknown=0, pause_seconds=0.01))
    stock.acts.append(answers(Outcome.NOT_SENT, "no_connection", repeatable=repeatable))
    shop = empty_shop.with_systems(stock)
    placed = shop.submit()
    assert placed.result is result
    assert len([one for one in shop.attempts() if one.verb == "act"]) == tries
