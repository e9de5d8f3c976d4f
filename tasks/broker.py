"""The broker: RabbitMQ, or one inside the process if RABBITMQ_URL isn't set.

Dramatiq's own retries, delays, time limits and results are not loaded: due times, attempts and limits are in the task
rows, and each of those features can lose a message (docs/decisions/broker-carries-hints.md).
"""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.stub import StubBroker
from flask import Flask

from orderapp.addresses import with_timeouts
from orderapp.config import Settings
from orderapp.services.engine.outbox import queue_name
from tasks.relay import RelayInWorker


def make_broker(settings: Settings, app: Flask) -> dramatiq.Broker:
    """Make the broker, declare its queues and make it dramatiq's global one. Connects only when first used."""
    broker: dramatiq.Broker
    if settings.rabbitmq_urls:
        urls = [with_timeouts(url) for url in settings.rabbitmq_urls]
        broker = RabbitmqBroker(url=urls, confirm_delivery=True, middleware=[])
    else:
        broker = StubBroker(middleware=[RelayInWorker(app, settings)])
    for name in settings.runnable:
        broker.declare_queue(queue_name(name))
    dramatiq.set_broker(broker)
    return broker
