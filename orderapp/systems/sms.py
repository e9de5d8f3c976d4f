"""SMS: sends the customer a text message by the Twilio Messages API. Unsafe: after an unknown outcome, no repeat."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlencode

from orderapp.ext import (
    CREDENTIALS,
    HTTP_SCHEMES,
    Answer,
    Backoff,
    Callback,
    ConfigurationError,
    Effect,
    Environment,
    Errand,
    Guarantee,
    HttpClient,
    Letters,
    News,
    OrderDocument,
    OrderRequest,
    Outcome,
    Part,
    System,
    backoff_from,
    lock_out,
    unreadable,
    whole,
)

# Authentication is missing or wrong; the account isn't active.
ACCOUNT_CODES = frozenset({20003, 20005})
MAX_CODE = 10**6  # Twilio's codes have five digits
# A message that Twilio accepted and gave up immediately: no text has arrived or will arrive.
NOT_DELIVERED = frozenset({"failed", "undelivered", "canceled"})


class Sms(System):
    """Text messages to customers who left a phone number."""

    name: ClassVar[str] = "sms"
    title: ClassVar[str] = "Text message"
    part: ClassVar[Part] = Part.NOTIFY
    errand: ClassVar[Errand] = Errand("send the text message")
    guarantee: ClassVar[Guarantee] = Guarantee.UNSAFE
    how_to_check: ClassVar[str] = "Look for the number in Twilio's console under Monitor, Logs, Messaging."
    tells: ClassVar[tuple[News, ...]] = tuple(News)

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        account, secret = env.header("SMS_ACCOUNT_SID"), env.secret("SMS_AUTH_TOKEN")
        address = env.address("SMS", HTTP_SCHEMES, default="https://api.twilio.com")
        timeouts = env.timeouts("SMS_TIMEOUT")
        self._sender, self._secret = env.text("SMS_FROM"), secret
        self._letters, public_url = Letters.from_environment(env), env.text("PUBLIC_URL").rstrip("/")
        wants_callbacks = env.flag("SMS_CALLBACKS")
        if wants_callbacks and not public_url:
            raise ConfigurationError("SMS_CALLBACKS: Twilio can call back only to PUBLIC_URL, which isn't set")
        self._callbacks = f"{public_url}/callbacks/{self.name}" if wants_callbacks else ""
        self.configured = bool(account and secret and self._sender)
        self.call_seconds = timeouts.total_seconds
        self.backoff = backoff_from(env, "SMS", backoff)
        self._account = f"/2010-04-01/Accounts/{quote(account, safe='')}"
        self._http = HttpClient(address, timeouts, credentials=(account, secret))

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff) -> Self:
        """Make the system from its settings; ConfigurationError for a wrong one."""
        return cls(env, backoff)

    def concerns(self, order: OrderRequest | OrderDocument) -> bool:
        """Return whether the order has a phone number."""
        return bool(order.customer.phone)

    def act(self, effect: Effect) -> Answer:
        """Send the message."""
        order = effect.order
        form = {
            "To": order.customer.phone,
            "From": self._sender,
            "Body": self._letters.letter(effect).short,
        }
        if self._callbacks:
            form["StatusCallback"] = f"{self._callbacks}?{urlencode({'key': effect.key})}"
        received = self._http.call(
            "POST", f"{self._account}/Messages.json", form=form, private=self.private_values(order)
        )
        body = received.body or {}
        code = _code(body.get("code"))
        if received.status == 400 and code:
            # Twilio's own error body, not the common one. It is final, unless it concerns our account.
            if code in ACCOUNT_CODES:
                return lock_out(replace(received.answer, code=f"twilio_{code}"), f"{CREDENTIALS} ({code})")
            return replace(received.answer, outcome=Outcome.REFUSED, code=f"twilio_{code}")
        if received.answer.outcome is not Outcome.DONE:
            return received.answer
        if not (body.get("sid") and all(isinstance(body.get(member), str) for member in ("sid", "status"))):
            return unreadable(received)
        status = body["status"].strip().lower()
        if status not in NOT_DELIVERED:
            return received.answer
        code, message = _code(body.get("error_code")), f"took the message, and gave it up: {status}"
        named = f"twilio_{code or status}"
        return replace(received.answer, outcome=Outcome.NOT_SENT, code=named, message=message, repeatable=False)

    def hear(self, callback: Callback) -> Iterable[str] | None:
        """Return the key of the message whose delivery Twilio tells of; staff see it with the order.

        Source: https://www.twilio.com/docs/usage/security#validating-requests
        """
        signed = callback.url + "".join(f"{name}{value}" for name, value in sorted(callback.form.items()))
        expected = base64.b64encode(hmac.digest(self._secret.encode(), signed.encode(), "sha1"))
        sent = callback.headers.get("x-twilio-signature", "").encode()
        if not self._secret or not hmac.compare_digest(expected, sent):
            return None
        key = callback.query.get("key")
        return [key] if key else []

    def check(self) -> Answer:
        """Ask for the account itself; any answer except a refusal of our credentials is good."""
        received = self._http.call("GET", f"{self._account}.json")
        known = received.status in (200, 404, 405)
        return Answer(Outcome.DONE, exchanges=received.answer.exchanges) if known else received.answer


def _code(value: Any) -> int:
    """Return one of Twilio's error codes; 0 for anything else."""
    code = whole(value)
    return code if code is not None and 0 < code < MAX_CODE else 0
