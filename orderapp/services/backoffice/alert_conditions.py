"""Whether the conditions of alerts hold now, and what is seen of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.currencies import amount_text
from orderapp.domain.money import Money
from orderapp.models import AlertKind, AlertRule, SavedView, db_now
from orderapp.services.backoffice import lanes
from orderapp.services.backoffice.lanes import NotRight
from orderapp.services.db.capped_counts import Count
from orderapp.services.resilience.holdups import Holdup, holdups

MAX_SEEN_CHARACTERS = 500  # as long as its column
ORDER_KINDS = {AlertKind.NOT_RIGHT, AlertKind.AT_STAKE}
COUNT_VIEWS = "orderapp.count_views"  # the application's extension that counts saved views, by their ids
CountViews = Callable[[Session, Sequence[SavedView]], Mapping[int, Count]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a rule's condition."""

    holds: bool | None  # None: it can't be said now, and nothing changes
    told: str  # a sentence


def seen_together(rules: Sequence[AlertRule]) -> list[list[AlertRule]]:
    """Return the rules in groups: those of a group share what is read, and each view is looked at by itself."""
    orders = [rule for rule in rules if AlertKind(rule.kind) in ORDER_KINDS]
    breakers = [rule for rule in rules if AlertKind(rule.kind) is AlertKind.BREAKER]
    views = [[rule] for rule in rules if AlertKind(rule.kind) is AlertKind.VIEW]
    return [group for group in (orders, breakers, *views) if group]


def look(session: Session, rules: Sequence[AlertRule], settings: Settings) -> dict[int, Seen]:
    """Return what is seen of each rule's condition, by the rule's number. Transaction: reads only, the caller's."""
    kinds = {AlertKind(rule.kind) for rule in rules}
    not_right = None
    if kinds & ORDER_KINDS:
        not_right = lanes.look(session, settings.systems, lanes.kept_systems(session, settings.systems))
    held = holdups(session) if AlertKind.BREAKER in kinds else {}
    seen: dict[int, Seen] = {}
    for rule in rules:
        kind = AlertKind(rule.kind)
        if kind is AlertKind.VIEW:
            found = _view(session, rule)
        elif kind is AlertKind.BREAKER:
            found = _breaker(session, rule, held, settings)
        else:
            found = _orders(rule, cast(NotRight, not_right))
        seen[rule.id] = Seen(found.holds, found.told[:MAX_SEEN_CHARACTERS])
    return seen


def _orders(rule: AlertRule, not_right: NotRight) -> Seen:
    totals = not_right.lanes.values()
    orders = sum(total.orders.number for total in totals)
    oldest_seconds = max(total.oldest_seconds for total in totals)
    sums = Counter[str]()
    for total in totals:
        for money in total.money:
            sums[money.currency] += money.minor
    worth = " and ".join(amount_text(Money(minor, currency)) for currency, minor in sorted(sums.items()))
    if not orders:
        return Seen(False, "Every order is right.")
    which = "1 order isn't right yet" if orders == 1 else f"{orders:,} orders aren't right yet"
    told = f"{which}: {worth} at stake, the oldest for {_minutes(oldest_seconds)}."
    at_stake = AlertKind(rule.kind) is AlertKind.AT_STAKE
    return Seen(sums[rule.currency or ""] > rule.most if at_stake else oldest_seconds > rule.most, told)


def _breaker(session: Session, rule: AlertRule, held: Mapping[str, Holdup], settings: Settings) -> Seen:
    now = session.execute(select(db_now())).scalar_one()
    failing = {
        name: (now - holdup.failing_since).total_seconds()
        for name, holdup in held.items()
        if holdup.failing_since is not None
    }
    if not failing:
        return Seen(False, "No system fails.")
    titles = {name: settings.runnable[name].title if name in settings.runnable else name for name in failing}
    told = " ".join(
        f"{titles[name]} has failed for {_minutes(seconds)}: {held[name].failing.rstrip('.')}."
        for name, seconds in sorted(failing.items(), key=lambda one: -one[1])
    )
    return Seen(max(failing.values()) > rule.most, told)


def _view(session: Session, rule: AlertRule) -> Seen:
    view = session.get(SavedView, rule.view_id)
    if view is None:
        return Seen(None, "Its view was deleted.")
    count_views = cast(CountViews, current_app.extensions[COUNT_VIEWS])
    count = count_views(session, [view]).get(view.id)
    if count is None:
        return Seen(None, f"The view “{view.name}” has a filter that isn't known any more.")
    told = f"The view “{view.name}” has {count} {'row' if count == Count(1) else 'rows'}."
    return Seen(count.more or count.number > rule.most, told)


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 60):,} min"
