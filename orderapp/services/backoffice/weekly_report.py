"""The weekly report on consistency: made once a week, kept, and sent to whoever asked for it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from orderapp.config import Settings, current_settings
from orderapp.domain.schedules import Daily
from orderapp.models import AlertKind, WeeklyReport, db_now
from orderapp.services.backoffice.alert_rules import enqueued_for, identity_of, rules_of
from orderapp.services.backoffice.staff_messages import ATTEMPTS, LEASE_SECONDS, StaffMessage, send_to
from orderapp.services.backoffice.weekly_figures import WeeklyFigures, measure
from orderapp.services.backoffice.weekly_texts import Part, as_html, as_text, parts_of
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.runs import Run
from orderapp.systems.settings import Environment

WEEK = dt.timedelta(days=7)
MOST_SHOWN = 53  # a year
AT = "06:00"  # before people begin to work


@dataclass(frozen=True, slots=True)
class Report:
    """A report in words."""

    week: dt.date  # its Monday
    parts: Sequence[Part]

    @property
    def heading(self) -> str:
        """What stands above it."""
        return f"Consistency in the week of {self.week:%Y-%m-%d} to {self.week + dt.timedelta(days=6):%Y-%m-%d}"


def morning(env: Environment) -> Daily:
    """Return when it is looked whether a week has ended."""
    return Daily(AT, env.time_zone().key)


@job("weekly-report", every=morning, title="Weekly report", concurrency=1)
def report_week(run: Run) -> str:
    """Make the report of the last whole week, unless it is there already; so a Monday without workers is made up for.

    Transaction: one, after the measuring: the report, together with the tasks of its messages.
    Idempotent because: a week has one report; a second one of the same week writes nothing.
    If we die here: the next run makes it.
    """
    settings = current_settings()
    with run.reading() as session:
        week = _last_week(run.scheduled_at or session.execute(select(db_now())).scalar_one(), settings)
        begin, end = (_midnight(day, settings) for day in (week, week + WEEK))
        if session.get(WeeklyReport, week) is not None:
            return f"the report of {week} is there"
        figures = measure(session, begin, end, run.renew)
    with run.transaction() as session:
        kept = {"week": week, "made_at": db_now(), "figures": json.dumps(figures.as_json())}
        session.execute(insert(WeeklyReport).values(kept))
        for rule in rules_of(session, AlertKind.REPORT):
            enqueue(tell, session, key=f"{rule.id}.{week}", **identity_of(rule), week=str(week))
    return f"made for {week}"


@job("report-message", attempts=ATTEMPTS, lease_seconds=LEASE_SECONDS, title="Message of the weekly report")
def tell(run: Run) -> str:
    """Send a report to one address. Idempotent because, Raises: as for `send_to`."""
    settings = current_settings()
    with run.reading() as session:
        rule = enqueued_for(session, run.arguments)
        kept = session.get(WeeklyReport, dt.date.fromisoformat(run.arguments["week"]))
    if rule is None or kept is None:
        return "not sent: its address was removed"
    report = _read(kept, settings)
    url = f"{settings.public_url}/admin/reports/?week={kept.week}" if settings.public_url else ""
    data = {"week": str(kept.week), "figures": json.loads(kept.figures)}
    body = {"type": "report.weekly", "timestamp": kept.made_at.isoformat(), "data": data}
    text, html = (form(report.heading, report.parts, url) for form in (as_text, as_html))
    return send_to(run, rule, StaffMessage(report.heading, text, body, html))


def newest(session: Session, settings: Settings) -> list[Report]:
    """Return the reports of the last year, newest first. Transaction: reads only, within the caller's."""
    rows = session.scalars(select(WeeklyReport).order_by(WeeklyReport.week.desc()).limit(MOST_SHOWN))
    return [_read(row, settings) for row in rows]


def _read(kept: WeeklyReport, settings: Settings) -> Report:
    titles = {name: one.title for name, one in settings.runnable.items()}
    return Report(kept.week, parts_of(WeeklyFigures.from_json(json.loads(kept.figures)), titles))


def _last_week(moment: dt.datetime, settings: Settings) -> dt.date:
    """Return the Monday of the last week that has ended, by the shop's clock."""
    today = moment.astimezone(settings.time_zone).date()
    return today - dt.timedelta(days=today.weekday()) - WEEK


def _midnight(day: dt.date, settings: Settings) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), settings.time_zone)
