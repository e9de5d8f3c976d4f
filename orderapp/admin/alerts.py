"""Alerts: the rules, with their states, and the acts of admins on them."""

from __future__ import annotations

import re
from decimal import Decimal

from flask import abort, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.admin import cells, moments, who
from orderapp.admin.acting import act
from orderapp.admin.guard import Guarded, act_at, page_at
from orderapp.admin.order_filters import AMOUNT
from orderapp.currencies import amount_text, is_currency, minor_digits
from orderapp.domain.money import Money
from orderapp.models import AlertKind, AlertRule, Role, SavedView, WebhookSubscription, db_now
from orderapp.services.backoffice import alert_rules, saved_views
from orderapp.services.backoffice.alert_rules import Rule, rules_of
from orderapp.services.db.transactions import reading
from orderapp.services.webhooks.subscriptions import IN_USE

ID = "int(max=9223372036854775807)"  # what an id's column holds
NUMBER = re.compile(r"[0-9]{1,9}")
MINUTE_SECONDS = 60
KINDS = {
    AlertKind.NOT_RIGHT: "An order isn't right for longer than … minutes",
    AlertKind.BREAKER: "A system fails for longer than … minutes",
    AlertKind.AT_STAKE: "Orders that aren't right are worth more than …",
    AlertKind.VIEW: "A saved view has more than … rows",
    AlertKind.REPORT: "Weekly report",
}


class AlertsView(Guarded):
    """The rules of alerts. For admins: they hold addresses of people."""

    least_role = Role.ADMIN

    @page_at("/")
    def index(self) -> str:
        """Show all rules, and a form to add one."""
        if request.args:
            abort(400)
        with reading() as session:
            now = session.execute(select(db_now())).scalar_one()
            webhooks = session.scalars(
                select(WebhookSubscription).where(IN_USE, WebhookSubscription.secret != "").order_by("id")
            ).all()
            views = [view for view, _ in saved_views.seen_by(session, who.member())]
            rules = [(rule, _watched(session, rule), _limit(rule)) for rule in rules_of(session, *AlertKind)]
        page: str = self.render(
            "office/alerts.html",
            rules=rules,
            kinds=KINDS,
            views=views,
            webhooks=webhooks,
            time_of=cells.time_of,
            ago=lambda moment: moments.ago(moment, now),
        )
        return page

    @act_at("/add", Role.ADMIN, "alert.add")
    def add(self) -> ResponseReturnValue:
        """Add a rule."""
        try:
            kind = AlertKind(request.form.get("kind", ""))
        except ValueError:
            abort(400)
        currency = request.form.get("currency", "").strip().upper() or None
        rule = Rule(
            kind,
            _read_limit(kind, currency),
            currency=currency,
            view_id=_id("view"),
            email=request.form.get("email", "").strip() or None,
            webhook_id=_id("webhook"),
        )
        return act(
            lambda: alert_rules.add(rule, who.member().actor),
            "The rule is added. If its condition holds already, it is told of within two minutes.",
            url_for(".index"),
        )

    @act_at(f"/<{ID}:rule_id>/change", Role.ADMIN, "alert.change")
    def change(self, rule_id: int) -> ResponseReturnValue:
        """Change a rule's limit."""
        with reading() as session:
            rule = session.get(AlertRule, rule_id) or abort(404)
        most = _read_limit(AlertKind(rule.kind), rule.currency)
        return act(
            lambda: alert_rules.change_limit(rule_id, most, who.member().actor),
            "The rule has its new limit.",
            url_for(".index"),
        )

    @act_at(f"/<{ID}:rule_id>/remove", Role.ADMIN, "alert.remove")
    def remove(self, rule_id: int) -> ResponseReturnValue:
        """Remove a rule."""
        return act(
            lambda: alert_rules.remove(rule_id, who.member().actor),
            "The rule is removed: nothing of it is told any more.",
            url_for(".index"),
        )


def _id(name: str) -> int | None:
    text = request.form.get(name, "")
    if not text:
        return None
    if not NUMBER.fullmatch(text):
        abort(400)
    return int(text)


def _read_limit(kind: AlertKind, currency: str | None) -> int:
    """Return the limit of the form in what the kind is stored in; 400 for what is none."""
    text = request.form.get("most", "").strip() or "0"
    if kind is AlertKind.AT_STAKE and AMOUNT.fullmatch(text):
        # What isn't a currency is refused later, with a sentence.
        return int(Decimal(text).scaleb(minor_digits(currency) if currency and is_currency(currency) else 0))
    if not NUMBER.fullmatch(text):
        abort(400)
    return int(text) * (MINUTE_SECONDS if kind in (AlertKind.NOT_RIGHT, AlertKind.BREAKER) else 1)


def _limit(rule: AlertRule) -> str:
    """Return a rule's limit as its field has it; empty for none."""
    kind = AlertKind(rule.kind)
    if kind is AlertKind.REPORT:
        return ""
    if kind is AlertKind.AT_STAKE:
        return str(Decimal(rule.most).scaleb(-minor_digits(rule.currency or "")))
    return str(rule.most if kind is AlertKind.VIEW else rule.most // MINUTE_SECONDS)


def _watched(session: Session, rule: AlertRule) -> str:
    """Return what a rule watches, as a clause."""
    kind = AlertKind(rule.kind)
    if kind is AlertKind.VIEW:
        view = session.get(SavedView, rule.view_id)
        return f"The view “{view.name if view else '–'}” has more than {rule.most:,} rows"
    if kind is AlertKind.AT_STAKE:
        return KINDS[kind].replace("…", amount_text(Money(rule.most, rule.currency or "")))
    return KINDS[kind].replace("…", _limit(rule))
