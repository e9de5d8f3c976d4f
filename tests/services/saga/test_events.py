"""What happens to an order is written down for its subscribers: once, in its order, together with what it tells."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select

from orderapp.domain.outcome import Outcome
from orderapp.domain.states import OrderState
from orderapp.models import Event, Order, Resolution, WebhookSubscription, db_now
from orderapp.services.backoffice import manual_resolutions, task_actions
from orderapp.services.backoffice.risks import Risk
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, statements_nest, writing
from orderapp.services.engine.batch import Together
from orderapp.services.engine.run_task import run_task
from orderapp.services.orders.views import OrderView
from tests.sandbox.calls import redeem, redemptions, void
from tests.sandbox.running import RunningSandbox
from tests.services.listening import reconciled
from tests.services.scripted import Killed, OneOfEach, answers, dies
from tests.services.shop import Shop
from tests.services.tampering import COUPON, key
from tests.services.watching import watching

DONE = ["order.placed", "order.confirmed", "order.consistent"]


def subscribe() -> None:
    row = {"url": "https://shop.example/hooks", "events": "*", "secret": "whsec_x", "created_at": db_now()}
    with writing() as session:
        session.execute(insert(WebhookSubscription).values(row))


@pytest.fixture
def heard(busy_shop: Shop) -> Shop:
    """The shop with one system of each sort, to whose events somebody subscribes."""
    subscribe()
    return busy_shop


def events() -> list[Event]:
    with reading() as session:
        return list(session.scalars(select(Event).order_by(Event.id)))


def types() -> list[str]:
    return [event.type for event in events()]


def test_without_a_subscription_nothing_is_written_and_no_statement_more_is_made(busy_shop: Shop) -> None:
    def statements() -> int:
        made: list[str] = []
        with watching(statement=made.append):
            busy_shop.submit()
        return len(made)

    busy_shop.submit()
    without = statements()
    assert events() == []
    subscribe()
    assert statements() == without + (0 if statements_nest() else 2)
    assert types() == DONE[:2]


def test_a_confirmed_order_tells_of_each_state_and_of_its_end(heard: Shop) -> None:
    order = heard.submit().order
    assert types() == DONE[:2]
    heard.work_until_quiet()
    assert types() == DONE
    assert [event.sequence for event in events()] == [1, 2, 3]
    assert [event.state for event in events()] == ["placing", "confirmed", "confirmed"]
    assert {event.total_minor for event in events()} == {order.total.minor}
    ids = [event.uid for event in events()]
    assert ids == sorted(set(ids))
    assert all(event.uid.startswith("evt_") for event in events())


def test_an_order_without_tasks_is_consistent_once_it_is_confirmed(heard: Shop, systems: OneOfEach) -> None:
    heard.with_systems(systems.stock, systems.voucher).submit()
    assert types() == DONE
    assert [event.sequence for event in events()] == [1, 2, 3]


def test_a_failed_order_and_its_retry_number_their_events_on(heard: Shop, systems: OneOfEach) -> None:
    systems.voucher.acts.append(answers(Outcome.REFUSED))
    order = heard.submit().order
    heard.work_until_quiet()
    assert types() == ["order.placed", "order.compensating", "order.failed"]
    heard.retry(order.id)
    heard.work_until_quiet()
    assert types()[3:] == DONE
    assert [event.sequence for event in events()] == [1, 2, 3, 4, 5, 6]
    assert [event.placement_number for event in events()] == [1, 1, 1, 2, 2, 2]


def test_an_order_that_was_heard_of_late_tells_from_then_on(busy_shop: Shop) -> None:
    order = busy_shop.submit().order
    subscribe()
    busy_shop.cancel(order.id)
    busy_shop.work_until_quiet()
    assert types() == ["order.compensating", "order.cancelled"]
    # It counted what nobody heard.
    assert [event.sequence for event in events()] == [3, 4]


def test_a_placement_whose_process_died_tells_of_its_failure(heard: Shop, systems: OneOfEach) -> None:
    systems.stock.acts.append(dies)
    with pytest.raises(Killed):
        heard.submit()
    assert types() == ["order.placed"]
    heard.let_submission_leases_lapse()
    heard.work_until_quiet_but_for_staff()
    assert types() == ["order.placed", "order.compensating", "order.failed"]


def test_what_is_rolled_back_leaves_no_event(heard: Shop) -> None:
    order = heard.submit().order

    class Lost(Exception):
        pass

    def lose() -> None:
        raise Lost

    with pytest.raises(Lost), watching(statement=lambda _: None, commit=lose):
        heard.cancel(order.id)
    assert heard.view(order.id).state is OrderState.CONFIRMED
    assert types() == DONE[:2]


def test_two_tasks_that_end_at_the_same_moment_tell_once(heard: Shop, systems: OneOfEach) -> None:
    """Each must see that the other one is done, or neither tells."""
    meet = threading.Barrier(2, timeout=5)
    systems.bank.before = systems.texts.before = lambda _verb, _effect: meet.wait() and None
    for _ in range(5):
        before = len(events())
        order = heard.submit().order
        tasks = [task.id for task in heard.tasks(order.id)]

        def run(task_id: int) -> None:
            with heard.app.app_context():
                run_task(task_id, heard.settings)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, tasks))
        assert types()[before:] == DONE


def test_tasks_that_are_recorded_together_tell_of_each_order_once(heard: Shop, systems: OneOfEach) -> None:
    shop = heard.with_systems(systems.stock, systems.bank)
    for _ in range(5):
        shop.submit()
    statements: list[str] = []
    with watching(statement=statements.append):
        Together(systems.bank, shop.settings).run([task.id for task in shop.tasks()], lambda: True)
    assert {task.state for task in shop.tasks()} == {"done"}
    consistent = [event.order_id for event in events() if event.type == "order.consistent"]
    assert len(consistent) == len(set(consistent)) == 5
    assert len(statements) < (20 if statements_nest() else 50)


def test_staff_s_verdicts_tell_of_unresolved_effects_and_of_consistency(heard: Shop, systems: OneOfEach) -> None:
    systems.bank.acts.extend([answers(Outcome.REFUSED)])
    systems.texts.acts.extend([answers(Outcome.UNKNOWN)])
    heard.submit()
    heard.work_until_quiet()
    assert types() == DONE[:2]
    bank, texts = heard.task(system="bank"), heard.task(system="texts")
    manual_resolutions.mark([texts.id], Resolution.HAPPENED, COMMAND_LINE, "seen", heard.settings)
    assert types() == DONE[:2]
    task_actions.cancel([bank.id], COMMAND_LINE, "the bank is closed")
    assert types() == [*DONE[:2], "effect.unresolved"]
    assert f'"effect":{{"system":"bank","key":"{bank.key}"}}' in events()[-1].details
    task_actions.requeue([bank.id], COMMAND_LINE, "it opened again", heard.settings, Risk.TWICE)
    heard.work_until_quiet()
    assert types() == [*DONE[:2], "effect.unresolved", "order.consistent"]


def test_giving_up_the_last_message_leaves_the_order_consistent(heard: Shop, systems: OneOfEach) -> None:
    systems.texts.acts.append(answers(Outcome.REFUSED))
    heard.submit()
    heard.work_until_quiet()
    task_actions.cancel([heard.task(system="texts").id], COMMAND_LINE, "no such number")
    assert types() == DONE


def test_reconciliation_tells_of_a_mismatch_once_and_of_its_end(
    shop: Shop, sandbox: RunningSandbox, confirmed: OrderView
) -> None:
    subscribe()
    redeem(sandbox, key(confirmed, "coupon"), COUPON).raise_for_status()
    for _ in range(2):
        reconciled(shop)
    assert types() == ["mismatch.found"]
    assert f'"effect":{{"system":"coupon","key":"{key(confirmed, "coupon")}"}}' in events()[0].details
    void(sandbox, redemptions(sandbox, key(confirmed, "coupon"))[1]["id"]).raise_for_status()
    reconciled(shop)
    assert types() == ["mismatch.found", "mismatch.resolved", "order.consistent"]
    with reading() as session:
        assert session.scalar(select(Order.event_number)) == events()[-1].sequence == 5
