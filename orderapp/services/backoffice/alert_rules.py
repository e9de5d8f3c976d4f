"""The rules of alerts: what is watched, and who is told. Each act and its audit row are one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from orderapp.currencies import is_currency
from orderapp.domain.customers import masked_email
from orderapp.errors import InvalidRequest, NotFound
from orderapp.models import AlertKind, AlertRule, SavedView, WebhookSubscription, db_now
from orderapp.services.backoffice import saved_views
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import writing
from orderapp.services.orders.email_addresses import NoAddress, read_email
from orderapp.services.webhooks.subscriptions import IN_USE

log = structlog.get_logger()

MOST_RULES = 50  # each is looked at every two minutes
LARGEST_LIMIT = 10**12
WATCHED = tuple(kind for kind in AlertKind if kind is not AlertKind.REPORT)
# For a start: an order heals by itself within minutes, and a system that fails longer needs somebody to call it.
DEFAULTS = ((AlertKind.NOT_RIGHT, 1800), (AlertKind.BREAKER, 900), (AlertKind.REPORT, 0))


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule watches, and where it tells of itself: one of an e-mail address and a webhook."""

    kind: AlertKind
    most: int = 0  # the limit: seconds, minor units or rows
    currency: str | None = None  # of `AT_STAKE`
    view_id: int | None = None  # of `VIEW`
    email: str | None = None
    webhook_id: int | None = None


def add(rule: Rule, actor: Actor) -> int:
    """Add a rule; return its number. What it watches may hold already: it is told of at the next look.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: something about it isn't acceptable, or there are MOST_RULES already.
    """
    with writing() as session:
        rule_id = _add(session, rule, actor)
    log.info("alert.added", rule=rule_id, kind=rule.kind.value, by=actor.staff_id)
    return rule_id


def add_defaults(email: str, actor: Actor) -> list[int]:
    """Add the rules that every shop should have, and the weekly report, by mail; return their numbers.

    Transaction: one, committed here, with the audit rows.

    Raises:
        InvalidRequest: the address isn't acceptable, or there would be too many rules.
    """
    with writing() as session:
        return [_add(session, Rule(kind, most, email=email), actor) for kind, most in DEFAULTS]


def change_limit(rule_id: int, most: int, actor: Actor) -> None:
    """Change the limit of a rule. If its condition no longer holds, that is told at the next look.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the limit isn't acceptable.
        NotFound: there is no such rule.
    """
    with writing() as session:
        rule = _found(session, rule_id)
        _refuse_impossible_limit(AlertKind(rule.kind), most)
        session.execute(update(AlertRule).where(AlertRule.id == rule_id).values(most=most))
        details = {"kind": rule.kind, "before": rule.most, "after": most}
        audit.write(session, actor, Act("alert.change", f"alert {rule_id}", details=details))


def remove(rule_id: int, actor: Actor) -> None:
    """Remove a rule. What it has raised isn't told of any more, not even that it is over.

    Transaction: one, committed here, with its audit row.

    Raises:
        NotFound: there is no such rule.
    """
    with writing() as session:
        rule = _found(session, rule_id)
        session.execute(delete(AlertRule).where(AlertRule.id == rule_id))
        audit.write(session, actor, Act("alert.remove", f"alert {rule_id}", details=_for_everybody(_values(rule))))
    log.info("alert.removed", rule=rule_id, by=actor.staff_id)


def rules_of(session: Session, *kinds: AlertKind) -> Sequence[AlertRule]:
    """Return the rules of these kinds, oldest first. Transaction: reads only, within the caller's."""
    wanted = AlertRule.kind.in_([kind.value for kind in kinds])
    return session.scalars(select(AlertRule).where(wanted).order_by(AlertRule.id)).all()


def identity_of(rule: AlertRule) -> dict[str, Any]:
    """Return what a task's arguments say of the rule that it is for: a removed rule's number may be given again."""
    return {"rule": rule.id, "created_at": rule.created_at.isoformat()}


def enqueued_for(session: Session, arguments: Mapping[str, Any]) -> AlertRule | None:
    """Return the rule that a task is for; None if it was removed. Transaction: reads only, within the caller's."""
    rule = session.get(AlertRule, int(arguments["rule"]))
    return rule if rule is not None and rule.created_at.isoformat() == arguments["created_at"] else None


def _add(session: Session, rule: Rule, actor: Actor) -> int:
    values = _checked(session, rule)
    if session.execute(select(func.count()).select_from(AlertRule)).scalar_one() >= MOST_RULES:
        raise InvalidRequest({"rule": [f"There are {MOST_RULES} rules already; remove one first."]})
    new = insert(AlertRule).values(**values, created_at=db_now(), times=0, seen="").returning(AlertRule.id)
    rule_id: int = session.execute(new).scalar_one()
    audit.write(session, actor, Act("alert.add", f"alert {rule_id}", details=_for_everybody(values)))
    return rule_id


def _checked(session: Session, rule: Rule) -> dict[str, Any]:
    """Return a rule's values. Raises InvalidRequest."""
    _refuse_impossible_limit(rule.kind, rule.most)
    email = None
    if rule.email:
        try:
            email = read_email(rule.email)
        except NoAddress as error:
            raise InvalidRequest({"email": [str(error)]}) from None
    if (email is None) is (rule.webhook_id is None):
        raise InvalidRequest({"email": ["Give an e-mail address, or choose a webhook."]})
    if rule.webhook_id is not None:
        # An exchange has no secret, and nobody who waits for an alert.
        webhook = (WebhookSubscription.id == rule.webhook_id, IN_USE, WebhookSubscription.secret != "")
        # Held, so that it isn't removed beside.
        if session.scalar(select(WebhookSubscription.id).where(*webhook).with_for_update()) is None:
            raise InvalidRequest({"webhook": ["There is no such webhook any more."]})
    if rule.kind is AlertKind.VIEW and (rule.view_id is None or session.get(SavedView, rule.view_id) is None):
        raise InvalidRequest({"view": ["Choose a saved view."]})
    if rule.kind is AlertKind.AT_STAKE and not (rule.currency and is_currency(rule.currency)):
        raise InvalidRequest({"currency": ["Give the currency as a code such as EUR."]})
    return {
        "kind": rule.kind.value,
        "most": rule.most if rule.kind is not AlertKind.REPORT else 0,
        "currency": rule.currency if rule.kind is AlertKind.AT_STAKE else None,
        "view_id": rule.view_id if rule.kind is AlertKind.VIEW else None,
        "email": email,
        "webhook_id": rule.webhook_id,
    }


def _refuse_impossible_limit(kind: AlertKind, most: int) -> None:
    if kind is AlertKind.VIEW and most > saved_views.CAP:
        raise InvalidRequest({"most": [f"Rows of a view are counted up to {saved_views.CAP:,}; give no more."]})
    if not 0 <= most <= LARGEST_LIMIT:
        raise InvalidRequest({"most": ["The limit is too large."]})


def _found(session: Session, rule_id: int) -> AlertRule:
    rule = session.scalar(select(AlertRule).where(AlertRule.id == rule_id).with_for_update())
    if rule is None:
        raise NotFound("There is no such rule.")
    return rule


def _values(rule: AlertRule) -> dict[str, Any]:
    names = ("kind", "most", "currency", "view_id", "email", "webhook_id")
    return {name: getattr(rule, name) for name in names}


def _for_everybody(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the audit says of a rule: all of staff read it, and the addresses of rules are for admins."""
    said = {name: value for name, value in values.items() if value is not None}
    return {**said, "email": masked_email(said["email"])} if "email" in said else said
