"""The weekly report is made once for each week that has ended, says what was, and reaches who asked for it."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from sqlalchemy import insert, select, update

from orderapp.domain.states import OrderState, TaskState
from orderapp.models import AlertKind, AuditEntry, HoldupSample, Placement, Task, WeeklyReport
from orderapp.services.backoffice import alert_rules, weekly_report
from orderapp.services.backoffice.alert_rules import Rule
from orderapp.services.backoffice.weekly_report import WEEK
from orderapp.services.db import audit
from orderapp.services.db.audit import COMMAND_LINE, Act
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.enqueue import enqueue_alone
from orderapp.systems.email import Email
from tests.admin.rows import Rows
from tests.servers.smtp import SmtpServer
from tests.services.scripted import Scripted
from tests.services.shop import Shop
from tests.systems.making import make


def monday() -> dt.datetime:
    """The beginning of the last week that has ended."""
    today = dt.datetime.now(dt.UTC).date()
    day = today - dt.timedelta(days=today.weekday()) - WEEK
    return dt.datetime.combine(day, dt.time(), dt.UTC)


@pytest.fixture
def mails() -> object:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def shop(empty_shop: Shop, mails: SmtpServer) -> Shop:
    made = empty_shop.with_systems(Scripted("bank"), make(Email, SMTP_URL=mails.url))
    return made.with_jobs(weekly_report.report_week, weekly_report.tell)


def write_a_week(begin: dt.datetime) -> None:
    """Orders that were right after 1 to 20 seconds, one after 10 minutes, one that isn't yet, and one that failed."""
    rows, hour = Rows(), dt.timedelta(hours=30)
    for seconds in (*range(1, 21), 600, None):
        order_id = rows.order(created_at=begin + hour)
        state = TaskState.FAILED if seconds is None else TaskState.DONE
        task_id = rows.task(state, order_id=order_id, system="bank")
        with writing() as session:
            session.execute(update(Placement).where(Placement.order_id == order_id).values(started_at=begin + hour))
            if seconds is not None:
                done_at = begin + hour + dt.timedelta(seconds=seconds)
                session.execute(update(Task).where(Task.id == task_id).values(finished_at=done_at))
    rows.order(OrderState.FAILED, created_at=begin + hour)
    rows.order(created_at=begin - dt.timedelta(seconds=1))
    rows.order(created_at=begin + WEEK)
    minute = int((begin + hour).timestamp()) // 60
    with writing() as session:
        samples = [{"minute": minute + n, "system": "bank", "cause": "failing"} for n in range(12)]
        session.execute(insert(HoldupSample), samples)
        audit.write(session, COMMAND_LINE, Act("task.requeue", "task 1", "again"))


def run(shop: Shop) -> None:
    enqueue_alone(weekly_report.report_week, {})
    shop.work_until_quiet()


def test_a_week_is_reported_once_to_who_asked(shop: Shop, mails: SmtpServer) -> None:
    begin = monday()
    write_a_week(begin)
    alert_rules.add(Rule(AlertKind.REPORT, email="boss@example.com"), COMMAND_LINE)
    run(shop)
    run(shop)
    with reading() as session:
        [kept] = session.scalars(select(WeeklyReport)).all()
        assert session.scalars(select(AuditEntry).where(AuditEntry.act == "task.requeue")).all() != []
    figures = json.loads(kept.figures)
    assert kept.week == begin.date()
    assert figures["orders"] == {"confirmed": 22, "failed": 1}
    assert (figures["not_at_once"], figures["not_yet"]) == (2, 1)
    assert (figures["p50_seconds"], figures["p95_seconds"], figures["p99_seconds"]) == (11.0, 20.0, 600.0)
    assert figures["failing_minutes"] == {"bank": 12}
    assert figures["acts"] == {}, "the act is of today, not of that week"
    [mail] = mails.received
    assert mail.recipients == ("boss@example.com",)
    text, html = (mail.message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for told in ("Not right within a minute", "2 of 22 (9.09%)", "10.0 min", "Bank", "12 min failing"):
        assert told in text, told
        assert told in html, told
    assert "<style" not in html
    assert "src=" not in html


def test_a_week_without_orders_has_a_report_too(shop: Shop, mails: SmtpServer) -> None:
    run(shop)
    with reading() as session:
        [report] = weekly_report.newest(session, shop.settings)
    assert ("Placed", "0") in report.parts[0].lines
    assert ("Right after, half of them", "too few orders") in report.parts[1].lines
    assert mails.received == []
