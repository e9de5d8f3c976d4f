"""Alerts: a job looks whether the rules' conditions hold, and each that begins or ends to hold is told of once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from orderapp.config import current_settings
from orderapp.domain.schedules import Every
from orderapp.domain.states import TaskState
from orderapp.models import AlertRule, Task, db_now, holds
from orderapp.services.backoffice.alert_conditions import Seen, look, seen_together
from orderapp.services.backoffice.alert_rules import WATCHED, enqueued_for, identity_of, rules_of
from orderapp.services.backoffice.staff_messages import ATTEMPTS, LEASE_SECONDS, StaffMessage, send_to
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.runs import Run

# Conditions are of many minutes, and each run is a row that is kept for weeks.
LOOK_SECONDS = 120
# A mail takes seconds.
ORDER_SECONDS = 5.0


@job("watch-alerts", every=Every(LOOK_SECONDS), title="Alerts", concurrency=1)
def watch(run: Run) -> str:
    """Look at all rules, and tell of those whose condition has begun or ended to hold.

    Transaction: one after the looking: the rules' states, together with the messages' tasks.
    Idempotent because: a message is enqueued in the transaction that changes the state, from the state before.
    If we die here: nothing was changed; the next run looks again.
    """
    with run.reading() as session:
        rules = rules_of(session, *WATCHED)
    if not rules:
        return "there are no rules"
    seen: dict[int, Seen] = {}
    for alike in seen_together(rules):
        run.renew()
        seen |= _look(run, alike)
    with run.transaction() as session:
        told = [_note(session, rule_id, found) for rule_id, found in sorted(seen.items())]
    return f"{len(told)} rules, {sum(told)} told of"


@job("alert-message", attempts=ATTEMPTS, lease_seconds=LEASE_SECONDS, title="Message of an alert")
def tell(run: Run) -> str:
    """Send the message of one alert, unless the alert has changed since: the message of the change says it all.

    Idempotent because, Raises: as for `send_to`; also Snooze while the rule's message before is being sent.
    """
    told = run.arguments
    with run.reading() as session:
        rule = enqueued_for(session, told)
        if rule is None:
            return "not sent: the rule was removed"
        if rule.times != told["times"] or (rule.raised_at is not None) is not told["raised"]:
            return "not sent: the alert has changed since"
        # Only asked after the rule: a message that begins after this sees that the alert has changed.
        times_before = told["times"] - 1 if told["raised"] else told["times"]
        before = (Task.system == tell.name, Task.key == _key(rule, times_before, raised=not told["raised"]))
        is_sent_now = session.scalar(select(Task.id).where(*before, holds(Task.state, TaskState.RUNNING.value)))
    if is_sent_now is not None:
        run.snooze(ORDER_SECONDS, "the message before is being sent")
    return send_to(run, rule, _message(told))


def _look(run: Run, alike: Sequence[AlertRule]) -> dict[int, Seen]:
    """Return what is seen of rules that are looked at together; an error of one view keeps no other from being seen."""
    try:
        with run.reading() as session:
            return look(session, alike, current_settings())
    except Exception as error:  # noqa: BLE001 - whatever a filter or the database makes of it
        name = type(error).__name__
        run.log.warning("alert.not_seen", rules=[rule.id for rule in alike], error=name)
        return {rule.id: Seen(None, f"It couldn't be looked at: {name}.") for rule in alike}


def _note(session: Session, rule_id: int, seen: Seen) -> bool:
    """Record what was seen of a rule; return whether it is told of. Transaction: within the caller's."""
    rule = session.scalar(select(AlertRule).where(AlertRule.id == rule_id).with_for_update())
    if rule is None:
        return False
    now: dt.datetime = session.execute(select(db_now())).scalar_one()
    values = {"looked_at": now, "seen": seen.told}
    changes = seen.holds is not None and seen.holds is (rule.raised_at is None)
    if changes:
        raised = bool(seen.holds)
        times = rule.times + 1 if raised else rule.times
        values |= {"raised_at": now if raised else None, "times": times}
        moments = {"since": (rule.raised_at or now).isoformat(), "at": now.isoformat()}
        about = {**identity_of(rule), "raised": raised, "times": times, "seen": seen.told, **moments}
        enqueue(tell, session, key=_key(rule, times, raised=raised), **about)
    session.execute(update(AlertRule).where(AlertRule.id == rule_id).values(values))
    return changes


def _key(rule: AlertRule, times: int, *, raised: bool) -> str:
    # With the time, because the number of a removed rule may be given to another one.
    return f"{rule.id}.{rule.created_at:%Y%m%dT%H%M%S%f}.{times}.{'raised' if raised else 'over'}"


def _message(told: Mapping[str, Any]) -> StaffMessage:
    settings, seen, raised = current_settings(), told["seen"], told["raised"]
    since, at = (
        f"{dt.datetime.fromisoformat(told[name]).astimezone(settings.time_zone):%Y-%m-%d %H:%M %Z}"
        for name in ("since", "at")
    )
    # What isn't over is told of once; so the text says that nothing follows until then. The end stands for itself:
    # if the beginning couldn't be sent until then, nobody has read of it.
    over = f"The alert held from {since} to {at}. It is over; nothing is to be done about it."
    more = "You are told once more when it is over." if raised else over
    links = [f"{settings.public_url}/admin/"] if settings.public_url else []
    text = "\n\n".join([f"{at}: {seen}", more, *links, f"This is alert rule {told['rule']}."])
    data = {"rule": told["rule"], "seen": seen, "since": told["since"]}
    body = {"type": "alert.raised" if raised else "alert.over", "timestamp": told["at"], "data": data}
    return StaffMessage(f"{'Alert' if raised else 'Over'}: {seen}", text, body)
