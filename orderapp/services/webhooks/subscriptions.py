"""Subscriptions to events, and the acts of staff on them. Each act and its audit row are one transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.events import PATTERNS
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import AlertRule, WebhookSubscription, db_now
from orderapp.models.events import origin_of
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.systems.exchange import exchange_in, objection
from orderapp.systems.webhooks import new_secret

log = structlog.get_logger()

# A replaced secret signs too for a day: receivers have the time to take over the new one.
OLD_SECRET_SECONDS = 86_400.0
# Each costs rows and calls for every event; more than this is a queue's work.
MOST = 100
IN_USE = WebhookSubscription.removed_at.is_(None)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A new or rotated subscription, with its secret, which isn't shown again; an exchange has none."""

    id: int
    secret: str


def add(url: str, patterns: Sequence[str], actor: Actor, settings: Settings) -> Subscribed:
    """Subscribe an address to events that happen from now on.

    Transaction: one, committed here, with its audit row.

    Args:
        url: Where to send them: a webhook's address, or `exchange:NAME`.
        patterns: Of `domain.events.PATTERNS`, such as `order.*`.
        actor: Who subscribes it.
        settings: Say which addresses are permitted, and the broker.

    Raises:
        InvalidRequest: the address or a pattern isn't acceptable, or there are MOST subscriptions.
    """
    errors: dict[str, list[str]] = {}
    exchange = exchange_in(url)
    why_not = settings.receivers.objection(url) if exchange is None else objection(exchange, settings.rabbitmq_urls)
    if why_not:
        errors["url"] = [why_not]
    unknown = [pattern for pattern in patterns if pattern not in PATTERNS]
    if unknown or not patterns:
        named = f"There is no event {unknown[0]!r}; " if unknown else ""
        errors["events"] = [f"{named}use one or more of {', '.join(PATTERNS)}."]
    if errors:
        raise InvalidRequest(errors)
    secret = new_secret() if exchange is None else ""
    values = {"url": url, "events": ",".join(dict.fromkeys(patterns)), "secret": secret, "created_at": db_now()}
    with writing() as session:
        if session.execute(select(func.count()).select_from(WebhookSubscription).where(IN_USE)).scalar_one() >= MOST:
            raise InvalidRequest({"url": [f"There are {MOST} subscriptions already; remove one first."]})
        new = insert(WebhookSubscription).values(values).returning(WebhookSubscription.id)
        subscription_id: int = session.execute(new).scalar_one()
        details = {"url": origin_of(url), "events": values["events"]}  # the rest of an address is often a secret
        audit.write(session, actor, Act("webhook.add", _subject(subscription_id), details=details))
    log.info("webhook.added", subscription=subscription_id)
    return Subscribed(subscription_id, secret)


def remove(subscription_id: int, actor: Actor, reason: str = "") -> None:
    """End a subscription: what waits for it is dropped, and its secret is forgotten.

    Transaction: one, committed here, with its audit row.

    Raises:
        NotFound: there is no such subscription in use.
        WrongState: an alert or the weekly report is sent to it.
    """
    values = {"removed_at": db_now(), "secret": "", "old_secret": None, "old_secret_until": None}
    with writing() as session:
        changing(session, "webhook.remove", subscription_id, actor, reason, values)
        # Asked after the change: who adds such a rule holds the subscription.
        rule_id = session.scalar(select(AlertRule.id).where(AlertRule.webhook_id == subscription_id).limit(1))
        if rule_id is not None:
            raise WrongState(
                f"Alert rule {rule_id} tells webhook {subscription_id}; remove that rule first. Nothing was changed."
            )
    log.info("webhook.remove", subscription=subscription_id)


def rotate(subscription_id: int, actor: Actor, reason: str = "") -> Subscribed:
    """Give a subscription a new secret; the present one signs too for OLD_SECRET_SECONDS, an older one no more.

    Transaction: one, committed here, with its audit row.

    Raises:
        NotFound: there is no such subscription in use.
        WrongState: it is an exchange, whose events aren't signed.
    """
    secret = new_secret()
    replaced = {"old_secret": WebhookSubscription.secret, "old_secret_until": db_now(OLD_SECRET_SECONDS)}
    with reading() as session:
        url = session.scalar(select(WebhookSubscription.url).where(WebhookSubscription.id == subscription_id))
    if url is not None and exchange_in(url) is not None:
        raise WrongState(f"Webhook {subscription_id} publishes to an exchange, unsigned. It has no secret.")
    _change("webhook.rotate", subscription_id, actor, reason, {"secret": secret, **replaced})
    return Subscribed(subscription_id, secret)


def pause(subscription_id: int, actor: Actor, reason: str) -> None:
    """Let a subscription's events wait until it is resumed.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such subscription in use.
        WrongState: it is paused already.
    """
    why = audit.clean_reason(reason)
    values = {"paused_at": db_now(), "paused_because": f"{actor.name}: {why}"[:500]}
    _change("webhook.pause", subscription_id, actor, why, values, WebhookSubscription.paused_at.is_(None))


def signing_secrets(session: Session, subscription: WebhookSubscription) -> list[str]:
    """Return the secrets that sign now, the present one first. Transaction: within the caller's."""
    still = select(WebhookSubscription.old_secret).where(
        WebhookSubscription.id == subscription.id, WebhookSubscription.old_secret_until > db_now()
    )
    return [secret for secret in (subscription.secret, session.scalar(still)) if secret]


def in_use() -> list[WebhookSubscription]:
    """Return the subscriptions in use, oldest first."""
    with reading() as session:
        return list(session.scalars(select(WebhookSubscription).where(IN_USE).order_by(WebhookSubscription.id)))


def pausing(session: Session, subscription_id: int, why: str) -> bool:
    """Pause a subscription by ourselves; return whether it wasn't paused. Transaction: within the caller's."""
    active = (WebhookSubscription.id == subscription_id, IN_USE, WebhookSubscription.paused_at.is_(None))
    values = {"paused_at": db_now(), "paused_because": why[:500]}
    paused = bool(session.connection().execute(update(WebhookSubscription).where(*active).values(values)).rowcount)
    if paused:
        log.error("webhook.paused", subscription=subscription_id, why=why)
    return paused


def _change(  # noqa: PLR0913 - an act, and what it changes
    act: str, subscription_id: int, actor: Actor, reason: str, values: dict[str, Any], *where: ColumnElement[bool]
) -> None:
    with writing() as session:
        changing(session, act, subscription_id, actor, reason, values, *where)
    log.info(act, subscription=subscription_id)


def changing(  # noqa: PLR0913 - the same
    session: Session,
    act: str,
    subscription_id: int,
    actor: Actor,
    reason: str,
    values: dict[str, Any],
    *where: ColumnElement[bool],
) -> None:
    """Change a subscription in use, with an audit row. Transaction: within the caller's. NotFound, WrongState."""
    this = (WebhookSubscription.id == subscription_id, IN_USE)
    changed = update(WebhookSubscription).where(*this, *where).values(values)
    if not session.connection().execute(changed).rowcount:
        if session.scalar(select(WebhookSubscription.id).where(*this)) is None:
            raise NotFound(f"There is no webhook {subscription_id}.")
        raise WrongState(f"Webhook {subscription_id} is so already. Nothing was changed.")
    audit.write(session, actor, Act(act, _subject(subscription_id), reason))


def _subject(subscription_id: int) -> str:
    return f"webhook {subscription_id}"


def state_of(subscription: WebhookSubscription) -> str:
    """Return a subscription's state as one word: active, failing, paused or removed."""
    if subscription.removed_at is not None:
        return "removed"
    if subscription.paused_at is not None:
        return "paused"
    return "active" if subscription.failing_since is None else "failing"


def since(subscription: WebhookSubscription) -> dt.datetime:
    """Return since when it has its state."""
    moments = (subscription.removed_at, subscription.paused_at, subscription.failing_since)
    return next((moment for moment in moments if moment is not None), subscription.created_at)
