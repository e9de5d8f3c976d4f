"""Events reach the queues of a topic exchange at least once, in the order of each order, though the broker restarts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pika
import pytest

from orderapp.errors import WrongState
from orderapp.services.db.audit import COMMAND_LINE
from orderapp.services.engine.run_job import run_job
from orderapp.services.webhooks import subscriptions
from orderapp.services.webhooks.distribute import distribute
from tests.servers.rabbitmq import RabbitmqServer
from tests.services.webhooks.conftest import TellingShop
from tests.services.webhooks.receiver import Receiver

EXCHANGE, QUEUE = "shop.events", "warehouse"
TYPES = ["order.placed", "order.confirmed", "order.consistent"]


@pytest.fixture
def publishing(telling: TellingShop, rabbitmq_server: RabbitmqServer) -> Iterator[TellingShop]:
    rabbitmq_server.reset_vhost()
    shop = telling.with_settings(rabbitmq_urls=(rabbitmq_server.url,))
    shop.app.extensions["orderapp.settings"] = shop.settings
    yield TellingShop(shop.app, shop.settings)
    rabbitmq_server.reset_vhost()


def bind(server: RabbitmqServer, *routing_keys: str) -> None:
    """Do what a consumer does before it consumes."""
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    channel = connection.channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(QUEUE, durable=True)
    for key in routing_keys:
        channel.queue_bind(QUEUE, EXCHANGE, key)
    connection.close()


def received(server: RabbitmqServer) -> list[tuple[Any, Any, bytes]]:
    connection = pika.BlockingConnection(pika.URLParameters(server.url))
    channel, got = connection.channel(), []
    while (one := channel.basic_get(QUEUE, auto_ack=True))[0] is not None:
        got.append(one)
    connection.close()
    return got


def test_a_queue_gets_what_a_webhook_gets_under_the_same_id(
    publishing: TellingShop, receiver: Receiver, rabbitmq_server: RabbitmqServer
) -> None:
    bind(rabbitmq_server, "order.*")
    assert publishing.subscribe(f"exchange:{EXCHANGE}").secret == ""
    with pytest.raises(WrongState, match="publishes to an exchange, unsigned"):
        subscriptions.rotate(1, COMMAND_LINE)
    publishing.subscribe(receiver.url)
    publishing.order()
    got = received(rabbitmq_server)
    assert [delivered.routing_key for delivered, _, _ in got] == TYPES
    assert [properties.message_id for _, properties, _ in got] == [one.id for one in receiver.got]
    assert [body for _, _, body in got] == [one.body for one in receiver.got]
    [properties] = {(one.type, one.content_type, one.delivery_mode) for _, one, _ in got[:1]}
    assert properties == ("order.placed", "application/json", 2)


def test_nothing_is_lost_or_overtakes_while_the_broker_is_away(
    publishing: TellingShop, rabbitmq_server: RabbitmqServer
) -> None:
    bind(rabbitmq_server, "order.#")
    publishing.subscribe(f"exchange:{EXCHANGE}")
    first = publishing.order()
    rabbitmq_server.kill()
    try:
        publishing.submit()
        distribute()
        [hint] = [hint for hint in publishing.due() if hint.system == "event-delivery"]
        run_job(hint.task_id, publishing.settings)
        [attempt] = publishing.attempts(task_id=hint.task_id)
        assert attempt.outcome == "unknown"
        assert attempt.message.startswith("RabbitMQ: ")
    finally:
        rabbitmq_server.start()
    publishing.make_due()
    publishing.work_until_quiet()
    got = received(rabbitmq_server)
    assert [delivered.routing_key for delivered, _, _ in got] == first + TYPES
    assert [json.loads(body)["sequence"] for _, _, body in got] == [1, 2, 3, 1, 2, 3]


def test_an_exchange_that_is_there_with_another_type_is_a_failed_attempt_that_says_so(
    publishing: TellingShop, rabbitmq_server: RabbitmqServer
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url))
    connection.channel().exchange_declare(EXCHANGE, "fanout")
    connection.close()
    publishing.subscribe(f"exchange:{EXCHANGE}", "order.placed")
    publishing.submit()
    distribute()
    [hint] = [hint for hint in publishing.due() if hint.system == "event-delivery"]
    run_job(hint.task_id, publishing.settings)
    [attempt] = publishing.attempts(task_id=hint.task_id)
    assert "PRECONDITION_FAILED" in attempt.message
