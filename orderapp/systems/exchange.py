"""The events' exchange: publishes events to a topic exchange of the broker, which confirms that it has them.

A subscription whose address is `exchange:NAME` leads here. The routing key is the event's type.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from orderapp.addresses import with_timeouts
from orderapp.systems.webhooks import Delivered, Message

SCHEME = "exchange"
BEGINNING = f"{SCHEME}:"
NAME = re.compile(r"[A-Za-z0-9_.:-]{1,127}")
RESERVED = "amq."  # the broker's own exchanges
MAX_ANSWER_CHARACTERS = 300  # as much as is kept of a webhook's answer


def exchange_in(address: str) -> str | None:
    """Return the name of the exchange that a subscription's address names; None if it is a webhook's."""
    return address.removeprefix(BEGINNING) if address.startswith(BEGINNING) else None


def objection(name: str, urls: Sequence[str]) -> str:
    """Return why events can't be published to an exchange, as a sentence; empty if they can."""
    if not NAME.fullmatch(name):
        return "An exchange's name has 1 to 127 letters, digits and characters of _.:-"
    if name.startswith(RESERVED):
        return f"The broker keeps names that begin with {RESERVED} for itself."
    if not urls:
        return "RABBITMQ_URL isn't set, so there is no broker that has exchanges."
    return ""


def publish(name: str, message: Message, urls: Sequence[str]) -> Delivered:
    """Publish a message once, and wait for the broker's confirmation. Raises nothing.

    Idempotent because: consumers tell repeats by the message's id.

    Args:
        name: The exchange; declared as a durable topic exchange if it isn't there.
        message: What; it survives a restart of the broker in durable queues.
        urls: The broker's addresses, tried one after the other.
    """
    if not urls:
        return Delivered(False, 0, "RABBITMQ_URL isn't set")
    try:
        _publisher(tuple(urls)).publish(name, message)
    except (AMQPError, OSError) as error:
        # pika's texts repeat no credentials.
        return Delivered(False, 0, f"RabbitMQ: {type(error).__name__}: {error}"[:MAX_ANSWER_CHARACTERS])
    return Delivered(True, 0, "confirmed by the broker")


class _Publisher:
    """One connection for all threads of a process, opened when it is first needed. One message at a time."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._parameters = [pika.URLParameters(with_timeouts(url)) for url in urls]
        self._lock = threading.Lock()
        self._channel: BlockingChannel | None = None
        self._declared: set[str] = set()

    def publish(self, name: str, message: Message) -> None:
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=pika.DeliveryMode.Persistent,
            message_id=message.id,
            type=message.type,
            app_id="orderapp",
        )
        with self._lock:
            try:
                channel = self._open()
                if name not in self._declared:
                    channel.exchange_declare(name, "topic", durable=True)
                    self._declared.add(name)
                channel.basic_publish(name, message.type, message.body.encode(), properties)
            except BaseException:
                # Whatever it was, the next message begins with a new connection.
                self._close()
                raise

    def _open(self) -> BlockingChannel:
        if self._channel is not None:
            with suppress(AMQPError, OSError):
                # It may have been lost since the last message, as when the broker was restarted; this finds out.
                self._channel.connection.process_data_events(0)
                if self._channel.is_open:
                    return self._channel
            self._close()
        self._channel = pika.BlockingConnection(self._parameters).channel()
        self._channel.confirm_delivery()
        return self._channel

    def _close(self) -> None:
        channel, self._channel = self._channel, None
        self._declared.clear()
        if channel is not None:
            with suppress(AMQPError, OSError):
                channel.connection.close()


@lru_cache(maxsize=1)
def _publisher(urls: tuple[str, ...]) -> _Publisher:
    return _Publisher(urls)
