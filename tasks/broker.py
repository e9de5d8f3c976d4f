"""The broker: RabbitMQ, or one inside the process if RABBITMQ_URL isn't set.

Dramatiq's own retries, delays, time limits and results are not loaded: due times, attempts and limits are in the task
rows, and each of those features can lose a message (docs/decisions/broker-carries-hints.md).
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from flask import Flask

from orderapp.config import Settings
from orderapp.services.engine.outbox import queue_name
from tasks.relay import RelayInWorker

# We stop waiting for a broker that blocks publishers (memory or disk alarm) after this time; the rows wait.
PUBLISH_TIMEOUT_SECONDS = 2


def make_broker(settings: Settings, app: Flask) -> dramatiq.Broker:
    """Make the broker, declare its queues and make it dramatiq's global one. Connects only when first used."""
    broker: dramatiq.Broker
    if settings.rabbitmq_urls:
        urls = [_with_timeouts(url) for url in settings.rabbitmq_urls]
        broker = RabbitmqBroker(url=urls, confirm_delivery=True, middleware=[])
    else:
        broker = StubBroker(middleware=[RelayInWorker(app, settings)])
    for name in settings.runnable:
        broker.declare_queue(queue_name(name))
    dramatiq.set_broker(broker)
    return broker


def _with_timeouts(url: str) -> str:
    parts = urlsplit(url)
    query = {
        "blocked_connection_timeout": str(PUBLISH_TIMEOUT_SECONDS),
        "socket_timeout": str(PUBLISH_TIMEOUT_SECONDS),
        "stack_timeout": str(2 * PUBLISH_TIMEOUT_SECONDS),
        "heartbeat": "15",  # detects a silently lost connection within half a minute
        **dict(parse_qsl(parts.query)),
    }
    return urlunsplit(parts._replace(query=urlencode(query)))
