"""Messages to those who run the shop: by mail, or to a webhook. What can't be sent is tried again, as every task is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orderapp.config import current_settings
from orderapp.domain.mails import Mail
from orderapp.domain.outcome import Outcome
from orderapp.fast_json import to_json
from orderapp.models import AlertRule, WebhookSubscription
from orderapp.services.webhooks.answers import record_answer, why_not_taken
from orderapp.services.webhooks.subscriptions import signing_secrets
from orderapp.systems.runs import Run
from orderapp.systems.webhooks import Message, send

# With the pauses between them some days: over a weekend somebody mends the mail server.
ATTEMPTS = 200
# Longer than the longest time-outs (twice a minute).
LEASE_SECONDS = 150.0
# How long after it is resumed a webhook gets what has waited for it, at most.
PAUSED_SECONDS = 600.0
SENT = "sent"
# A rule keeps its address: who gets it must be seen when it is added.
ANEW = "Give this up, remove its rule, and add the rule anew with another address."


@dataclass(frozen=True, slots=True)
class StaffMessage:
    """A message: as a mail, and as the body of a webhook."""

    subject: str
    text: str
    body: dict[str, Any]  # of a webhook: its type and data
    html: str = ""


def send_to(run: Run, rule: AlertRule, message: StaffMessage) -> str:
    """Send a message to the channel of a rule; return what came of it.

    Transaction: none to the mail system; after the call of a webhook one, which records what it answered.
    Idempotent because: the mail's id, or the webhook's, is made from the task's key.

    Raises:
        TryAgain: it wasn't taken; it is sent again later.
        Snooze: its webhook is paused.
        NeedsAttention: it can't be sent until somebody has mended something.
    """
    if rule.webhook_id is not None:
        return _to_webhook(run, rule.webhook_id, message)
    return mail_to(run, rule.email or "", message, ANEW)


def mail_to(run: Run, address: str, message: StaffMessage, remedy: str) -> str:
    """Send a message by mail; return what came of it. Transaction, Idempotent because, Raises: as for `send_to`.

    Args:
        run: The run that sends it.
        address: To whom.
        message: What.
        remedy: What to do if the address is refused, as a sentence.
    """
    mailer = current_settings().systems.mailer
    if mailer is None:
        run.needs_attention("No system that sends mails is configured. Configure one, then requeue this.")
    mail = Mail(f"message.{run.key}", address, message.subject, message.text, message.html)
    answer = mailer.write(mail)
    if answer.outcome is Outcome.DONE:
        return SENT
    said = f"{mailer.title} {answer.message or answer.code}"
    if answer.outcome is Outcome.REFUSED:
        run.needs_attention(f"{said}. {remedy}")
    return run.try_again(said)


def _to_webhook(run: Run, webhook_id: int, message: StaffMessage) -> str:
    with run.reading() as session:
        subscription = session.get_one(WebhookSubscription, webhook_id)
        signing = signing_secrets(session, subscription)
    if subscription.removed_at is not None:
        run.needs_attention(f"Webhook {webhook_id} was removed. {ANEW}")
    if subscription.paused_at is not None:
        run.snooze(PAUSED_SECONDS, f"webhook {webhook_id} is paused; this is sent after it is resumed")
    body = to_json({"id": f"msg_{run.key}", **message.body})
    sent = send(
        subscription.url, Message(f"msg_{run.key}", message.body["type"], body), signing, current_settings().receivers
    )
    with run.transaction() as session:
        record_answer(session, webhook_id, sent)
    if not sent.ok:
        run.try_again(*why_not_taken(sent))
    return SENT
