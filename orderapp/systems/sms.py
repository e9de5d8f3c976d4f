"""SMS: sends the customer a text message by the Twilio Messages API. Unsafe: after an unknown outcome, no repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self
from urllib.parse import quote

from orderapp.ext import (
    CREDENTIALS,
    HTTP_SCHEMES,
    Answer,
    Backoff,
    Effect,
    Environment,
    Guarantee,
    HttpClient,
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
    guarantee: ClassVar[Guarantee] = Guarantee.UNSAFE

    def __init__(self, env: Environment, backoff: Backoff) -> None:
        account, secret = env.header("SMS_ACCOUNT_SID"), env.secret("SMS_AUTH_TOKEN")
        address = env.address("SMS", HTTP_SCHEMES, default="https://api.twilio.com")
        timeouts = env.timeouts("SMS_TIMEOUT")
        self._sender = env.text("SMS_FROM")
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
            "Body": f"Thank you! Your order {order.number} is confirmed.",
        }
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

    def check(self) -> Answer:
        """Ask for the account itself; any answer except a refusal of our credentials is good."""
        received = self._http.call("GET", f"{self._account}.json")
        known = received.status in (200, 404, 405)
        return Answer(Outcome.DONE, exchanges=received.answer.exchanges) if known else received.answer


def _code(value: Any) -> int:
    """Return one of Twilio's error codes; 0 for anything else."""
    code = whole(value)
    return code if code is not None and 0 < code < MAX_CODE else 0
