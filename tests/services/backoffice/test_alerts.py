"""Alerts are told of once, and once when they are over, by mail or webhook, whatever fails meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select, update

from orderapp.domain.states import TaskState
from orderapp.errors import InvalidRequest, WrongState
from orderapp.models import AlertKind, AlertRule, Circuit, Role, SavedView, Staff, Task, WebhookSubscription, db_now
from orderapp.services.access.sessions import Member
from orderapp.services.backoffice import alert_rules, alerts, saved_views
from orderapp.services.backoffice.alert_conditions import COUNT_VIEWS
from orderapp.services.backoffice.alert_rules import Rule
from orderapp.services.backoffice.saved_views import View
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.services.webhooks import subscriptions
from orderapp.systems.email import Email
from orderapp.systems.settings import Timeouts
from orderapp.systems.webhooks import Receivers
from tests.admin.rows import Rows
from tests.servers.smtp import SmtpServer
from tests.services.scripted import Scripted
from tests.services.shop import Shop
from tests.services.webhooks.receiver import Receiver, receiving
from tests.systems.making import make

MINE = "ops@example.com"


@pytest.fixture
def mails() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def shop(empty_shop: Shop, mails: SmtpServer) -> Shop:
    """A shop with a bank and a mail server, in development: webhooks may go to this machine."""
    here = Receivers(production=False, allow_private=False, timeouts=Timeouts(2, 3))
    made = empty_shop.with_systems(Scripted("bank"), make(Email, SMTP_URL=mails.url)).with_settings(receivers=here)
    return made.with_jobs(alerts.watch, alerts.tell)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def look(shop: Shop, times: int = 1) -> None:
    for _ in range(times):
        enqueue_alone(alerts.watch, {})
        shop.work_until_quiet()


def subjects(mails: SmtpServer) -> list[str]:
    return [one.message["Subject"] for one in mails.received]


def rule(rule_id: int) -> AlertRule:
    with reading() as session:
        return session.get_one(AlertRule, rule_id)


def change(statement: object) -> None:
    with writing() as session:
        session.execute(statement)  # type: ignore[call-overload]


def admin() -> Member:
    with writing() as session:
        new = insert(Staff).values(email="ann@example.com", password_hash="", role="admin", created_at=db_now())
        staff_id = session.execute(new.returning(Staff.id)).scalar_one()
    return Member(staff_id, "ann@example.com", Role.ADMIN)


def failing_task(age_seconds: float = 3600) -> int:
    rows = Rows()
    order_id = rows.order(total_minor=900)
    return rows.task(TaskState.FAILED, order_id=order_id, system="bank", created_at=db_now(-age_seconds))


def be_right() -> None:
    change(update(Task).where(Task.state == "failed").values(state="done", finished_at=db_now()))


def test_an_alert_is_told_of_once_and_once_when_it_is_over(shop: Shop, mails: SmtpServer) -> None:
    rule_id = alert_rules.add(Rule(AlertKind.NOT_RIGHT, 1800, email=MINE), COMMAND_LINE)
    failing_task(age_seconds=1000)
    look(shop)
    assert subjects(mails) == [], "it isn't wrong for long enough"
    failing_task()
    look(shop, times=3)
    assert subjects(mails) == ["Alert: 2 orders aren't right yet: €18.00 at stake, the oldest for 60 min."]
    assert mails.received[0].recipients == (MINE,)
    assert rule(rule_id).raised_at is not None
    be_right()
    look(shop, times=2)
    assert subjects(mails)[1:] == ["Over: Every order is right."]
    assert rule(rule_id).raised_at is None
    failing_task()
    look(shop)
    assert len(subjects(mails)) == 3, "it begins anew"
    alert_rules.remove(rule_id, COMMAND_LINE)
    alert_rules.add(Rule(AlertKind.NOT_RIGHT, 1800, email=MINE), COMMAND_LINE)
    look(shop)
    assert len(subjects(mails)) == 4, "so does another rule, even under the same number"
    assert len({one.message["Message-ID"] for one in mails.received}) == 4


def test_an_alert_that_couldnt_be_sent_until_it_was_over_is_told_of_in_one_message(
    shop: Shop, mails: SmtpServer
) -> None:
    alert_rules.add(Rule(AlertKind.NOT_RIGHT, 60, email=MINE), COMMAND_LINE)
    failing_task()
    mails.reply = "451 later"
    enqueue_alone(alerts.watch, {})
    for _ in range(4):
        shop.work()
    be_right()
    enqueue_alone(alerts.watch, {})
    shop.work()
    assert subjects(mails) == []
    mails.reply = "250 kept"
    shop.work_until_quiet()
    assert subjects(mails) == ["Over: Every order is right."]
    assert "The alert held from 20" in mails.received[0].message.get_content()


def test_the_end_waits_while_the_beginning_is_being_sent(shop: Shop, mails: SmtpServer) -> None:
    alert_rules.add(Rule(AlertKind.NOT_RIGHT, 60, email=MINE), COMMAND_LINE)
    failing_task()
    look(shop)
    begun = update(Task).where(Task.system == alerts.tell.name)
    change(begun.values(state="running", lease_until=db_now(60), finished_at=None, due_at=db_now()))
    be_right()
    enqueue_alone(alerts.watch, {})
    for _ in range(4):
        shop.work()
    assert len(mails.received) == 1
    change(begun.where(Task.state == "running").values(state="done", lease_until=None, due_at=None))
    change(begun.where(Task.state == "waiting").values(due_at=db_now(), publish_at=db_now()))
    shop.work_until_quiet()
    assert subjects(mails)[1:] == ["Over: Every order is right."]


def test_the_message_of_a_removed_rule_reaches_nobody_else(shop: Shop, mails: SmtpServer) -> None:
    rule_id = alert_rules.add(Rule(AlertKind.NOT_RIGHT, 60, email="former@example.com"), COMMAND_LINE)
    failing_task()
    mails.reply = "451 later"
    enqueue_alone(alerts.watch, {})
    for _ in range(4):
        shop.work()
    alert_rules.remove(rule_id, COMMAND_LINE)
    later_id = alert_rules.add(Rule(AlertKind.AT_STAKE, 10**6, "EUR", email=MINE), COMMAND_LINE)
    change(update(AlertRule).where(AlertRule.id == later_id).values(id=rule_id, times=1, raised_at=db_now()))
    mails.reply = "250 kept"
    shop.work_until_quiet()
    assert subjects(mails) == []


def test_a_view_that_cant_be_counted_silences_no_other_alert(
    shop: Shop, mails: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    view_id = saved_views.save(View("tasks", "Failed", "state=failed"), admin())
    broken = alert_rules.add(Rule(AlertKind.VIEW, 1, view_id=view_id, email=MINE), COMMAND_LINE)
    alert_rules.add(Rule(AlertKind.NOT_RIGHT, 60, email=MINE), COMMAND_LINE)
    failing_task()
    monkeypatch.setitem(shop.app.extensions, COUNT_VIEWS, lambda _session, _views: 1 / 0)
    look(shop)
    assert len(subjects(mails)) == 1
    assert rule(broken).seen == "It couldn't be looked at: ZeroDivisionError."


def test_what_is_at_stake_and_a_system_that_fails(shop: Shop, mails: SmtpServer) -> None:
    alert_rules.add(Rule(AlertKind.AT_STAKE, 1000, "EUR", email=MINE), COMMAND_LINE)
    alert_rules.add(Rule(AlertKind.BREAKER, 600, email=MINE), COMMAND_LINE)
    moments = {"probe_at": db_now(), "order_probe_at": db_now(), "check_at": db_now(3600)}
    state = {"state": "open", "reason": "no answer", "probe_pause_seconds": 4, "pulled_task_id": 0}
    change(insert(Circuit).values(system="bank", changed_at=db_now(-300), **state, **moments))
    failing_task()
    look(shop)
    assert subjects(mails) == []
    change(update(Circuit).values(changed_at=db_now(-700)))
    failing_task()
    look(shop, times=2)
    assert sorted(subjects(mails)) == [
        "Alert: 2 orders aren't right yet: €18.00 at stake, the oldest for 60 min.",
        "Alert: Bank has failed for 11 min: no answer.",
    ]


def test_a_saved_view_tells_a_webhook(shop: Shop, receiver: Receiver) -> None:
    subscribed = subscriptions.add(receiver.url, ["order.*"], COMMAND_LINE, shop.settings)
    member = admin()
    view_id = saved_views.save(View("tasks", "Failed", "state=failed&system=bank"), member)
    alert_rules.add(Rule(AlertKind.VIEW, 1, view_id=view_id, webhook_id=subscribed.id), COMMAND_LINE)
    failing_task()
    look(shop)
    assert receiver.got == []
    failing_task()
    receiver.fails()
    look(shop, times=2)
    tried, taken = receiver.got
    assert tried.body == taken.body
    assert taken.is_signed_by(subscribed.secret)
    assert (taken.event["type"], taken.event["data"]["seen"]) == ("alert.raised", "The view “Failed” has 2 rows.")
    with pytest.raises(Exception, match="An alert watches this view"):
        saved_views.delete(view_id, member)
    change(update(SavedView).values(query="nonesuch=1"))
    look(shop)
    assert len(receiver.got) == 2, "what can't be counted isn't over"


def test_a_paused_webhook_is_left_alone_and_one_that_is_gone_is_paused(shop: Shop, receiver: Receiver) -> None:
    webhook_id = subscriptions.add(receiver.url, ["order.*"], COMMAND_LINE, shop.settings).id
    alert_rules.add(Rule(AlertKind.NOT_RIGHT, 60, webhook_id=webhook_id), COMMAND_LINE)
    failing_task()
    receiver.fails(status="410 Gone")
    enqueue_alone(alerts.watch, {})
    for _ in range(5):
        shop.work()
    assert len(receiver.got) == 1, "it wants nothing any more"
    with reading() as session:
        assert session.get_one(WebhookSubscription, webhook_id).paused_at is not None
        waiting = session.scalars(select(Task).where(Task.system == alerts.tell.name)).one()
    assert waiting.last_message == "webhook 1 is paused; this is sent after it is resumed"
    with pytest.raises(WrongState, match="remove that rule first"):
        subscriptions.remove(webhook_id, COMMAND_LINE)
    assert [one.id for one in subscriptions.in_use()] == [webhook_id]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Rule(AlertKind.BREAKER, 60), "Give an e-mail address"),
        (Rule(AlertKind.BREAKER, 60, email="nobody"), "The @ is missing"),
        (Rule(AlertKind.BREAKER, 60, email=MINE, webhook_id=1), "or choose a webhook"),
        (Rule(AlertKind.BREAKER, 60, webhook_id=7), "no such webhook"),
        (Rule(AlertKind.BREAKER, 10**13, email=MINE), "too large"),
        (Rule(AlertKind.VIEW, 1, email=MINE), "Choose a saved view"),
        (Rule(AlertKind.VIEW, 1001, view_id=1, email=MINE), "counted up to 1,000"),
        (Rule(AlertKind.AT_STAKE, 1, "XXX", email=MINE), "a code such as EUR"),
    ],
)
def test_a_rule_that_cant_be_kept_is_refused(shop: Shop, wrong: Rule, told: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        alert_rules.add(wrong, COMMAND_LINE)
    assert told in str(refused.value.errors)
    with reading() as session:
        assert session.scalars(select(AlertRule)).all() == []
