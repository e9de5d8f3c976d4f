"""Alerts: a job looks whether the rules' conditions hold, and each that begins or ends to hold is told of once."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from orderapp.config import current_settings
from orderapp.domain.schedules import Every
from orderapp.models import AlertRule, db_now
from orderapp.services.backoffice.alert_conditions import Seen, look
from orderapp.services.backoffice.alert_rules import WATCHED, rules_of
from orderapp.services.backoffice.staff_messages import ATTEMPTS, LEASE_SECONDS, StaffMessage, send_to
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.runs import Run

# Conditions are of many minutes, and each run is a row that is kept for weeks.
LOOK_SECONDS = 120


@job("watch-alerts", every=Every(LOOK_SECONDS), title="Alerts", concurrency=1)
def watch(run: Run) -> str:
    """Look at all rules, and tell of those whose condition has begun or ended to hold.

    Transaction: one after the looking: the rules' states, together with the messages' tasks.
    Idempotent because: a message is enqueued in the transaction that changes the state, from the state before.
    If we die here: nothing was changed; the next run looks again.
    """
    with run.reading() as session:
        rules = rules_of(session, *WATCHED)
        seen = look(session, rules, current_settings()) if rules else {}
    if not rules:
        return "there are no rules"
    with run.transaction() as session:
        told = [_note(session, rule_id, found) for rule_id, found in sorted(seen.items())]
    return f"{len(told)} rules, {sum(told)} told of"


@job("alert-message", attempts=ATTEMPTS, lease_seconds=LEASE_SECONDS, title="Message of an alert")
def tell(run: Run) -> str:
    """Send the message of one alert. Idempotent because, Raises: as for `send_to`."""
    with run.reading() as session:
        rule = session.get(AlertRule, int(run.arguments["rule"]))
    if rule is None:
        return "not sent: the rule was removed"
    return send_to(run, rule, _message(rule.id, run.arguments["raised"], run.arguments["seen"], run.arguments["at"]))


def _note(session: Session, rule_id: int, seen: Seen) -> bool:
    """Record what was seen of a rule; return whether it is told of. Transaction: within the caller's."""
    rule = session.scalar(select(AlertRule).where(AlertRule.id == rule_id).with_for_update())
    if rule is None:
        return False
    now: dt.datetime = session.execute(select(db_now())).scalar_one()
    values = {"looked_at": now, "seen": seen.told}
    changes = seen.holds is not None and seen.holds is (rule.raised_at is None)
    if changes:
        times = rule.times + 1 if seen.holds else rule.times
        values |= {"raised_at": now if seen.holds else None, "times": times}
        # With the time, because the number of a removed rule may be given to another one.
        key = f"{rule_id}.{now:%Y%m%dT%H%M%S%f}.{'raised' if seen.holds else 'over'}"
        enqueue(tell, session, key=key, rule=rule_id, raised=seen.holds, seen=seen.told, at=now.isoformat())
    session.execute(update(AlertRule).where(AlertRule.id == rule_id).values(values))
    return changes


def _message(rule_id: int, raised: bool, seen: str, at: str) -> StaffMessage:
    url = current_settings().public_url
    when = f"{dt.datetime.fromisoformat(at).astimezone(current_settings().time_zone):%Y-%m-%d %H:%M %Z}"
    # What isn't over is told of once; so the text says that nothing follows until then.
    more = "You are told once more when it is over." if raised else "It is over; nothing is to be done about it."
    links = [f"{url}/admin/"] if url else []
    text = "\n\n".join([f"{when}: {seen}", more, *links, f"This is alert rule {rule_id}."])
    data = {"rule": rule_id, "seen": seen}
    body = {"type": "alert.raised" if raised else "alert.over", "timestamp": at, "data": data}
    return StaffMessage(f"{'Alert' if raised else 'Over'}: {seen}", text, body)
