"""Events reach each subscriber at least once, in the order of each order, whatever becomes of receivers and workers."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jsonschema
import pytest
from sqlalchemy import select, update

from orderapp.api.description import describe
from orderapp.domain.outcome import Outcome
from orderapp.errors import WrongState
from orderapp.models import Delivery, Event, WebhookSubscription, db_now
from orderapp.seller import Seller
from orderapp.services.backoffice import task_actions
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.run_job import run_job
from orderapp.services.engine.run_task import run_task
from orderapp.services.webhooks import acts, subscriptions
from orderapp.services.webhooks.answers import PAUSED_AFTER_SECONDS
from orderapp.services.webhooks.distribute import distribute
from orderapp.services.webhooks.retention import forget_old_events
from tests.services.scripted import Killed, OneOfEach, answers
from tests.services.test_interleaving import MOST_STATEMENTS, Interleaving
from tests.services.watching import watching
from tests.services.webhooks.conftest import TellingShop
from tests.services.webhooks.receiver import Receiver, receiving


def deliveries(**wanted: object) -> list[Delivery]:
    with reading() as session:
        return list(session.scalars(select(Delivery).filter_by(**wanted).order_by(Delivery.id)))


def states() -> list[str]:
    return [one.state for one in deliveries()]


def subscription() -> WebhookSubscription:
    with reading() as session:
        return session.scalars(select(WebhookSubscription).order_by(WebhookSubscription.id)).all()[-1]


def change(**values: object) -> None:
    with writing() as session:
        session.execute(update(WebhookSubscription).values(values))


def next_task(shop: TellingShop) -> int:
    [hint] = [hint for hint in shop.due() if hint.system == "event-delivery"]
    return hint.task_id


def test_each_event_arrives_once_in_order_signed_and_without_personal_data(
    telling: TellingShop, receiver: Receiver
) -> None:
    secret = telling.subscribe(receiver.url).secret
    types = telling.order()
    assert receiver.types == types
    order = telling.the_order()
    with reading() as session:
        uids = session.scalars(select(Event.uid).order_by(Event.id)).all()
    assert [one.id for one in receiver.got] == uids
    assert [one.event["sequence"] for one in receiver.got] == [1, 2, 3]
    assert all(one.is_signed_by(secret) for one in receiver.got)
    confirmed = receiver.got[1].event
    assert confirmed["id"] == uids[1]
    assert confirmed["data"]["order"] == {
        "id": str(order.id),
        "number": order.number,
        "state": "confirmed",
        "placements": 1,
        "subtotal": {"value": 2000, "currency": "EUR"},
        "total": {"value": 2000, "currency": "EUR"},
        "created_at": f"{order.created_at:%Y-%m-%dT%H:%M:%S.%fZ}",
    }
    assert b"Ada" not in b"".join(one.body for one in receiver.got)
    assert b"example.com" not in b"".join(one.body for one in receiver.got)
    assert states() == ["delivered"] * 3
    task = telling.tasks(kind="job")[0]
    [attempt] = telling.attempts(task_id=task.id)
    assert json.loads(attempt.message) == {"status": 200, "answer": "thanks"}


def test_each_event_is_as_the_description_says(telling: TellingShop, receiver: Receiver, systems: OneOfEach) -> None:
    telling.subscribe(receiver.url)
    systems.bank.acts.append(answers(Outcome.REFUSED))
    telling.submit()
    telling.work_until_quiet()
    task_actions.cancel([telling.task(system="bank").id], COMMAND_LINE, "the bank is closed")
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.confirmed", "effect.unresolved"]
    described = describe((), Seller("Tea shop"))
    for one in receiver.got:
        request = described["webhooks"][one.event["type"]]["post"]["requestBody"]
        schema = request["content"]["application/json"]["schema"]
        jsonschema.validate(one.event, {**schema, "components": described["components"]})
    assert receiver.got[2].event["data"]["effect"]["system"] == "bank"


def test_a_later_event_waits_while_an_earlier_one_is_tried_again_under_the_same_id(
    telling: TellingShop, receiver: Receiver
) -> None:
    telling.subscribe(receiver.url)
    receiver.fails(4)
    types = telling.order()
    assert receiver.types == [types[0]] * 4 + types
    assert len({one.id for one in receiver.got}) == 3
    task = telling.tasks(kind="job")[0]
    assert [attempt.outcome for attempt in telling.attempts(task_id=task.id)] == ["unknown"] * 4 + ["done"]
    assert "answered 503: not now" in telling.attempts(task_id=task.id)[0].message
    assert subscription().failing_since is None


def test_one_order_s_events_don_t_wait_for_another_order_s_nor_for_another_subscriber(
    telling: TellingShop, receiver: Receiver
) -> None:
    with receiving() as other:
        telling.subscribe(receiver.url)
        telling.subscribe(other.url, "order.confirmed", "mismatch.*")
        receiver.fails()
        for _ in range(2):
            telling.submit()
        while distribute():
            pass
        for hint in telling.due():
            if hint.system == "event-delivery":
                run_job(hint.task_id, telling.settings)
        assert sorted(receiver.types) == ["order.placed"] * 2
        assert other.types == ["order.confirmed"] * 2
        telling.work_until_quiet()
        assert len(receiver.got) == 1 + 2 * 3


def test_a_receiver_that_hangs_is_tried_with_one_event_at_a_time(telling: TellingShop, receiver: Receiver) -> None:
    came, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        came.set()
        goes_on.wait(20)

    with receiving() as other:
        telling.subscribe(receiver.url, "order.placed")
        telling.subscribe(other.url, "order.placed")
        telling.submit()
        telling.submit()
        while distribute():
            pass
        change(failing_since=db_now(-40))
        receiver.before = hang
        first, *others = sorted(task.id for task in telling.tasks(kind="job"))

        def run_first() -> None:
            with telling.app.app_context():
                run_job(first, telling.settings)

        worker = threading.Thread(target=run_first)
        worker.start()
        assert came.wait(10)
        for task_id in others:
            run_job(task_id, telling.settings)
        assert (len(receiver.got), len(other.got)) == (1, 2)
        [waiting] = telling.tasks(kind="job", state="waiting")
        assert (waiting.attempts, waiting.last_code) == (0, "snoozed")
        assert 3 < (telling.seconds_until_due(waiting.id) or 0) <= 11
        goes_on.set()
        worker.join(20)
        telling.work_until_quiet()
        assert len(receiver.got) == 2


def test_a_worker_that_dies_after_sending_sends_again_under_the_same_id(
    telling: TellingShop, receiver: Receiver
) -> None:
    telling.subscribe(receiver.url)
    telling.submit()
    distribute()

    dead: list[str] = []

    def die(statement: str) -> None:
        if dead or ("UPDATE deliveries SET" in statement and "ended_at" in statement):
            dead.append(statement)  # neither does a dead process record that its job has failed
            raise Killed

    with pytest.raises(Killed), watching(statement=die):
        run_job(next_task(telling), telling.settings)
    assert receiver.types == ["order.placed"]
    assert set(states()) == {"waiting"}
    telling.let_task_leases_lapse()
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.placed", "order.confirmed", "order.consistent"]
    assert receiver.got[0].id == receiver.got[1].id


def test_both_secrets_sign_for_a_day_after_a_rotation(telling: TellingShop, receiver: Receiver) -> None:
    old = telling.subscribe(receiver.url).secret
    new = subscriptions.rotate(1, COMMAND_LINE).secret
    telling.order()
    assert all(one.is_signed_by(old) and one.is_signed_by(new) for one in receiver.got)
    change(old_secret_until=db_now(-1))
    telling.order()
    assert all(one.is_signed_by(new) and not one.is_signed_by(old) for one in receiver.got[3:])


def test_a_paused_subscriber_gets_everything_in_order_once_it_is_resumed(
    telling: TellingShop, receiver: Receiver
) -> None:
    telling.subscribe(receiver.url)
    subscriptions.pause(1, COMMAND_LINE, "it moves")
    for _ in range(3):
        types = telling.order()
    assert receiver.got == []
    assert len(deliveries(state="waiting", queued_at=None)) == 9
    with pytest.raises(WrongState, match="so already"):
        subscriptions.pause(1, COMMAND_LINE, "again")
    acts.resume(1, COMMAND_LINE, "it has moved")
    telling.work_until_quiet()
    for order_id in {one.order_id for one in deliveries()}:
        number = telling.view(order_id).number
        assert [one.event["type"] for one in receiver.got if one.event["data"]["order"]["number"] == number] == types


def test_what_is_due_while_it_is_paused_waits_without_using_attempts_up(
    telling: TellingShop, receiver: Receiver
) -> None:
    telling.subscribe(receiver.url)
    telling.submit()
    distribute()
    subscriptions.pause(1, COMMAND_LINE, "it moves")
    telling.work_until_quiet()
    assert receiver.got == []
    acts.resume(1, COMMAND_LINE, "it has moved")
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.confirmed", "order.consistent"]


def test_a_subscriber_that_fails_for_days_is_paused(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    receiver.fails(2, "500 Internal Server Error")
    telling.submit()
    distribute()
    run_job(next_task(telling), telling.settings)
    assert subscription().paused_at is None
    change(failing_since=db_now(-PAUSED_AFTER_SECONDS - 1))
    telling.make_due()
    run_job(next_task(telling), telling.settings)
    paused = subscription()
    assert paused.paused_at is not None
    assert paused.paused_because == "it has failed for three days; last: 500 not now"
    telling.make_due()
    telling.work_until_quiet()
    assert len(receiver.got) == 2
    acts.resume(1, COMMAND_LINE, "mended")
    telling.work_until_quiet()
    assert receiver.types[2:] == ["order.placed", "order.confirmed", "order.consistent"]


def test_a_subscriber_that_is_gone_is_paused_at_once(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    receiver.fails(1, "410 Gone")
    telling.order()
    assert len(receiver.got) == 1
    assert "410" in (subscription().paused_because or "")


def test_a_receiver_says_when_to_come_back(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    receiver.answers.append(b"HTTP/1.1 429 Slowly\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n")
    telling.submit()
    distribute()
    task_id = next_task(telling)
    run_job(task_id, telling.settings)
    assert 500 < (telling.seconds_until_due(task_id) or 0) <= 600
    assert telling.tasks(kind="job")[0].attempts == 1, "or it could ask for ever"


def test_staff_have_a_delivered_event_sent_again(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    telling.order()
    acts.resend(deliveries()[1].id, COMMAND_LINE, "they lost it")
    telling.work_until_quiet()
    assert [one.id for one in receiver.got][3:] == [receiver.got[1].id]
    assert states() == ["delivered"] * 3


def test_staff_give_an_event_up_and_the_next_one_follows(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    receiver.fails()
    telling.submit()
    distribute()
    run_job(next_task(telling), telling.settings)
    first, second = deliveries()
    with pytest.raises(WrongState, match="earlier event"):
        acts.resend(second.id, COMMAND_LINE, "hurry")
    acts.skip(first.id, COMMAND_LINE, "they can't read it")
    with pytest.raises(WrongState, match="is dropped"):
        acts.skip(first.id, COMMAND_LINE, "again")
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.confirmed", "order.consistent"]
    assert states() == ["dropped", "delivered", "delivered"]
    acts.resend(first.id, COMMAND_LINE, "they can now")
    telling.work_until_quiet()
    assert receiver.types[3:] == ["order.placed"]


def test_an_event_whose_task_is_given_up_ends_and_the_next_one_follows(
    telling: TellingShop, receiver: Receiver
) -> None:
    telling.subscribe(receiver.url)
    receiver.fails()
    telling.submit()
    distribute()
    first_task = next_task(telling)
    run_job(first_task, telling.settings)
    acts.resend(deliveries()[0].id, COMMAND_LINE, "hurry")
    newest_task = deliveries()[0].task_id
    assert task_actions.cancel([first_task], COMMAND_LINE, "there is a newer one").items[0].done
    assert states() == ["waiting", "waiting"]
    assert task_actions.cancel([newest_task], COMMAND_LINE, "they can't read it").items[0].done
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.confirmed", "order.consistent"]
    assert states() == ["dropped", "delivered", "delivered"]


def test_a_removed_subscriber_gets_nothing_more(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    telling.submit()
    distribute()
    subscriptions.remove(1, COMMAND_LINE)
    telling.order()
    forget_old_events(telling.settings)
    assert receiver.got == []
    assert set(states()) == {"dropped"}
    with pytest.raises(WrongState, match="was removed"):
        acts.resend(deliveries()[0].id, COMMAND_LINE, "why not")


def test_a_new_subscriber_gets_only_what_happens_from_then_on(telling: TellingShop, receiver: Receiver) -> None:
    with receiving() as later:
        telling.subscribe(receiver.url)
        telling.submit()
        telling.subscribe(later.url)
        telling.work_until_quiet()
        assert receiver.types == ["order.placed", "order.confirmed", "order.consistent"]
        assert later.types == ["order.consistent"]


def test_old_events_are_forgotten_and_what_comes_after_them_is_sent(telling: TellingShop, receiver: Receiver) -> None:
    telling.subscribe(receiver.url)
    receiver.fails(1, "500 No")
    telling.submit()
    distribute()
    run_job(next_task(telling), telling.settings)
    with writing() as session:
        session.execute(update(Event).where(Event.type == "order.placed").values(at=db_now(-31 * 86_400)))
    forget_old_events(telling.settings)
    telling.work_until_quiet()
    assert receiver.types == ["order.placed", "order.confirmed", "order.consistent"]
    assert len(deliveries()) == 2


@pytest.mark.parametrize("database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
class TestAtTheSameTime:
    """On PostgreSQL only: SQLite has one writer at a time."""

    def test_of_several_timers_one_makes_the_deliveries(self, telling: TellingShop, receiver: Receiver) -> None:
        telling.subscribe(receiver.url)
        for _ in range(5):
            telling.submit()

        def run(_: int) -> None:
            with telling.app.app_context():
                while distribute():
                    pass

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
        assert len(deliveries()) == 10
        telling.work_until_quiet()
        assert len(receiver.got) == 15

    def test_an_event_that_comes_while_the_one_before_it_ends_is_sent_too(
        self, telling: TellingShop, receiver: Receiver
    ) -> None:
        # The second subscription gives `distribute` something to do after it has looked at the first one's queue.
        for _ in range(2):
            telling.subscribe(receiver.url, "order.compensating", "order.cancelled")
        for before_statement in range(1, MOST_STATEMENTS):
            order = telling.submit().order
            telling.work_until_quiet()
            telling.cancel(order.id)
            distribute()
            count = len(receiver.got)
            [task_id] = [one.task_id or 0 for one in deliveries(order_id=order.id, subscription_id=1)]
            for task in telling.tasks(order.id, state="waiting"):
                run_task(task.id, telling.settings)
            ends = partial(run_job, task_id, telling.settings)
            had_as_many = Interleaving(telling, ends, before_statement).run(distribute)
            telling.work_until_quiet_but_for_staff()
            assert sorted(receiver.types[count:]) == 2 * ["order.cancelled"] + 2 * ["order.compensating"]
            assert {one.state for one in deliveries(order_id=order.id)} == {"delivered"}
            if not had_as_many:
                break
