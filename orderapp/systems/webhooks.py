"""Webhooks: sends events to the addresses of subscribers, signed as Standard Webhooks say.

Subscribers choose these addresses, so they are checked when they are added and again at each connection: otherwise they
would lead our servers to machines that only we can reach.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from orderapp.domain.masking import mask
from orderapp.domain.networks import address_in, is_link_local, is_public
from orderapp.domain.outcome import Outcome
from orderapp.systems.http import Content, HttpClient
from orderapp.systems.settings import Environment, Timeouts, is_loopback

MAX_URL_CHARACTERS = 500  # as long as its column
SECRET_BYTES = 32  # Standard Webhooks ask for 24 to 64
PREFIX = "whsec_"
GONE = 410  # the receiver's way to say that nobody wants these events any more
LEAST_KEPT_DAYS = 4  # a subscription that fails is paused after three, and somebody has to notice
MOST_KEPT_DAYS = 30  # orders are archived after 31, with all that belongs to them
# Of an answer, so much is kept: it tells what is wrong, and isn't ours.
MAX_ANSWER_CHARACTERS = 300
# Clients are remembered, because reading the authorities for TLS takes 50 ms. Shops have a few subscriptions.
REMEMBERED_CLIENTS = 64


@dataclass(frozen=True, slots=True)
class Receivers:
    """Which addresses may receive events, how long they may take, and how long events are kept for them.

    Args:
        production: Whether they must be encrypted and public.
        allow_private: Whether private networks are allowed in production.
        timeouts: Of one delivery.
        kept_days: How old an event may get, delivered or not.
    """

    production: bool
    allow_private: bool
    timeouts: Timeouts
    kept_days: int = MOST_KEPT_DAYS

    @classmethod
    def from_environment(cls, env: Environment) -> Receivers:
        """Read the settings. Raises ConfigurationError."""
        timeouts = env.timeouts("WEBHOOKS_TIMEOUT", "3,10")
        kept_days = env.integer("EVENTS_KEPT_DAYS", MOST_KEPT_DAYS, LEAST_KEPT_DAYS, MOST_KEPT_DAYS)
        return cls(env.production, env.flag("WEBHOOKS_ALLOW_PRIVATE"), timeouts, kept_days)

    def objection(self, url: str) -> str:
        """Return why events can't be sent to an address, as a sentence; empty if they can."""
        try:
            parts = urlsplit(url)
            host, _port = parts.hostname or "", parts.port
        except ValueError:
            return "This is no address."
        if not url.isascii() or any(character.isspace() or not character.isprintable() for character in url):
            return "An address has no blanks, and only ASCII characters."
        if len(url) > MAX_URL_CHARACTERS:
            return f"An address has at most {MAX_URL_CHARACTERS} characters."
        if parts.scheme not in ("https", "http") or not host:
            return "An address begins with https:// and a host."
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "An address has no user, password or fragment (#); the signature shows that it is us."
        if parts.scheme == "http" and (self.production or not is_loopback(host)):
            return "Events are sent encrypted: use https://."
        refused = is_loopback(host) or address_in(host) is not None
        if refused and not self.permits("127.0.0.1" if host == "localhost" else host):
            return "This network address isn't public; WEBHOOKS_ALLOW_PRIVATE=1 allows private ones."
        return ""

    def permits(self, address: str) -> bool:
        """Return whether a network address may be connected to."""
        if is_link_local(address) or address_in(address) is None:
            return False
        return is_public(address) or self.allow_private or not self.production


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is sent: the same id and body each time."""

    id: str
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of sending a message."""

    ok: bool  # whether the receiver has it, by a status from 200 to 299
    status: int  # 0 if there was no answer, or it has no status
    answer: str  # the beginning of what it answered, or why there is none
    retry_after_seconds: float | None = None  # what it asked for

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no events any more."""
        return self.status == GONE


def new_secret() -> str:
    """Return a new secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def send(url: str, message: Message, signing: Sequence[str], receivers: Receivers) -> Delivered:
    """Send a message once; follow no redirect. Raises nothing.

    Idempotent because: receivers tell repeats by the message's id.

    Args:
        url: Where to.
        message: What.
        signing: The secrets that sign it, one signature each.
        receivers: Which network addresses are permitted; asked when the connection is made.
    """
    parts = urlsplit(url)
    now = dt.datetime.now(dt.UTC)
    headers = {
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message.id, now, message.body) for secret in signing),
    }
    received = _client(f"{parts.scheme}://{parts.netloc}", receivers).call(
        "POST", _path(parts), content=Content(message.body.encode(), "application/json"), headers=headers
    )
    ok = received.answer.outcome is Outcome.DONE
    said = received.raw[: 4 * MAX_ANSWER_CHARACTERS].decode("utf-8", "replace") or received.answer.message
    # Receivers may answer with what we sent; nothing else of ours is secret to them.
    answer = mask(said, signing)[:MAX_ANSWER_CHARACTERS]
    return Delivered(ok, received.status, answer, received.answer.retry_after_seconds)


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


@lru_cache(maxsize=REMEMBERED_CLIENTS)
def _client(origin: str, receivers: Receivers) -> HttpClient:
    return HttpClient(origin, receivers.timeouts, permits=receivers.permits)
