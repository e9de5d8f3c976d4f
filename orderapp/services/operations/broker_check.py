"""Checks RabbitMQ: whether it answers, whether its queues match the workers' declaration, and the dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pika
from dramatiq.brokers.rabbitmq import DEAD_MESSAGE_TTL
from dramatiq.common import dq_name, xq_name
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from orderapp.services.engine.outbox import queue_name

CONNECT_SECONDS = 2  # on the network of a data centre it takes milliseconds
NOT_FOUND, PRECONDITION_FAILED = 404, 406  # AMQP 0-9-1, reply codes


@dataclass(frozen=True, slots=True)
class BrokerState:
    """What is wrong with the broker, and what is only doubtful; sentences without passwords."""

    wrong: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def look_at_broker(urls: Iterable[str], systems: Iterable[str]) -> BrokerState:
    """Connect to each node, and compare the queues of the systems with what the workers declare.

    Change nothing: don't create missing queues.

    Args:
        urls: AMQP addresses of the nodes.
        systems: Names of the systems and jobs; each has a queue.
    """
    wrong: list[str] = []
    doubtful: list[str] = []
    connected = False
    for url in urls:
        try:
            with _connect(url) as connection:
                if not connected:
                    wrong += _wrong_queues(connection, systems)
                connected = True
        except (AMQPError, OSError, ValueError) as error:
            doubtful.append(f"{_host(url)}: {_reason(error)}")
    if not connected:
        # One reachable node is enough to work; without any node the broker is down.
        return BrokerState((*wrong, *doubtful))
    return BrokerState(tuple(wrong), tuple(doubtful))


def _connect(url: str) -> pika.BlockingConnection:
    parameters = pika.URLParameters(url)
    parameters.socket_timeout = parameters.blocked_connection_timeout = CONNECT_SECONDS
    parameters.stack_timeout = 2 * CONNECT_SECONDS
    parameters.connection_attempts = 1
    return pika.BlockingConnection(parameters)


def _wrong_queues(connection: pika.BlockingConnection, systems: Iterable[str]) -> Iterator[str]:
    for system in systems:
        queue = queue_name(system)
        dead = xq_name(queue)
        routed: dict[str, object] = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        expected: dict[str, dict[str, object]] = {
            queue: routed,
            dq_name(queue): routed,
            dead: {"x-message-ttl": DEAD_MESSAGE_TTL},
        }
        for name, arguments in expected.items():
            waiting = _messages(connection, name)
            if waiting is None:
                continue
            if not _declared_with(connection, name, arguments):
                yield f"{name} exists with other arguments than ours; delete it, the tasks are safe in the database"
            if name == dead and waiting:
                yield f"{name} holds {waiting} dead message{'' if waiting == 1 else 's'}; the workers' log tells why"


def _messages(connection: pika.BlockingConnection, queue: str) -> int | None:
    """Return how many messages wait in a queue; None if there is no such queue."""
    channel = connection.channel()
    try:
        found = channel.queue_declare(queue, passive=True)
    except ChannelClosedByBroker as error:
        if error.reply_code == NOT_FOUND:
            return None
        raise
    channel.close()
    return int(found.method.message_count)


def _declared_with(connection: pika.BlockingConnection, queue: str, arguments: dict[str, object]) -> bool:
    """Whether an existing queue has these arguments; only a new declaration can find that out."""
    channel = connection.channel()
    try:
        channel.queue_declare(queue, durable=True, arguments=arguments)
    except ChannelClosedByBroker as error:
        if error.reply_code == PRECONDITION_FAILED:
            return False
        raise
    channel.close()
    return True


def _host(url: str) -> str:
    parameters = pika.URLParameters(url)
    return f"{parameters.host}:{parameters.port}"


def _reason(error: Exception) -> str:
    if isinstance(error, ProbableAuthenticationError):
        return "the login was refused"
    if isinstance(error, ProbableAccessDeniedError):
        return "there is no such virtual host, or no access to it"
    if isinstance(error, ValueError):
        return "the address has an option that RabbitMQ's client doesn't know"
    return f"can't be reached ({type(error).__name__})"
