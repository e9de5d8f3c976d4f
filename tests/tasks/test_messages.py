"""Hints, whatever becomes of them on the way: the rows decide."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dramatiq
import pika
import pytest

from orderapp.services.engine.outbox import HINT_AGAIN_AT_MOST_SECONDS, HINT_AGAIN_SECONDS, queue_name
from tasks.queues import ACTOR, hint_message
from tasks.relay import TASKS_PER_MESSAGE, relay_once
from tests.servers.loopback import poll_until
from tests.servers.rabbitmq import RabbitmqServer
from tests.services.scripted import Scripted, dies
from tests.services.shop import Shop
from tests.tasks.conftest import Worker, tell_until

# Where the broker cuts a connection, pika leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


def all_done(shop: Shop) -> bool:
    return {task.state for task in shop.tasks()} == {"done"}


def test_a_confirmed_order_s_tasks_are_done(worker: Worker, systems: dict[str, Scripted]) -> None:
    worker.shop.submit()
    assert tell_until(worker, lambda: all_done(worker.shop))
    assert (systems["bank"].verbs(), systems["mail"].verbs()) == (["act"], ["act"])


def test_a_message_twice_does_nothing_twice(worker: Worker, systems: dict[str, Scripted]) -> None:
    worker.shop.submit()
    task = worker.shop.task(kind="settle")
    for _ in range(5):
        worker.broker.enqueue(hint_message([task.id], task.system))
    assert tell_until(worker, lambda: all_done(worker.shop))
    for _ in range(5):
        worker.broker.enqueue(hint_message([task.id], task.system))
    worker.broker.join(queue_name(task.system), timeout=10_000)
    assert systems["bank"].verbs() == ["act"]
    assert worker.shop.task(kind="settle").claims == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ([10**6], "{system}"),
        (10**6, "{system}"),
        ("nonsense", "{system}"),
        ([1, "nonsense"], "{system}"),
        (None, None),
        ([1], ["{system}"]),
        (),
        ([1], "{system}", "more"),
    ],
)
def test_a_message_that_makes_no_sense_harms_nobody(
    worker: Worker, systems: dict[str, Scripted], arguments: tuple[Any, ...]
) -> None:
    system = systems["bank"].name
    sent = tuple(one.format(system=system) if isinstance(one, str) else one for one in arguments)
    worker.broker.enqueue(dramatiq.Message(queue_name(system), ACTOR, sent, {}, {}))
    worker.broker.enqueue(dramatiq.Message(queue_name(system), "unheard_of", (1,), {}, {}))
    worker.shop.submit()
    assert tell_until(worker, lambda: all_done(worker.shop))
    assert systems["bank"].verbs() == ["act"]


def test_garbage_on_the_wire_harms_nobody(
    start_worker: Callable[..., Worker], rabbitmq_server: RabbitmqServer, systems: dict[str, Scripted]
) -> None:
    worker = start_worker(rabbitmq_server.url)
    worker.shop.submit()
    assert tell_until(worker, lambda: all_done(worker.shop))
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        for body in (b"", b"\xff\x00garbage", b"{}", b"[1,2]", b"x" * 1_000_000):
            connection.channel().basic_publish("", queue_name(systems["bank"].name), body)
    worker.shop.submit()
    assert tell_until(worker, lambda: all_done(worker.shop))
    assert len(systems["bank"].verbs()) == 2


def test_messages_of_queues_that_were_deleted_are_sent_again(
    start_worker: Callable[..., Worker], rabbitmq_server: RabbitmqServer, systems: dict[str, Scripted]
) -> None:
    # No worker at first: the messages wait in queues that are then deleted with them.
    worker = start_worker(rabbitmq_server.url, threads=1)
    worker.threads.pause()
    worker.shop.submit()
    assert poll_until(lambda: worker.tell() == 2, within_seconds=5)
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_server.url)) as connection:
        for system in systems.values():
            connection.channel().queue_delete(queue_name(system.name))
    worker.threads.resume()
    worker.shop.make_due()
    assert tell_until(worker, lambda: all_done(worker.shop))
    assert [systems[name].verbs() for name in ("bank", "mail")] == [["act"], ["act"]]


def test_without_the_broker_orders_are_placed_and_their_tasks_wait_for_its_return(
    start_worker: Callable[..., Worker], rabbitmq_server: RabbitmqServer, systems: dict[str, Scripted]
) -> None:
    worker = start_worker(rabbitmq_server.url)
    worker.shop.submit()
    assert tell_until(worker, lambda: all_done(worker.shop))
    rabbitmq_server.stop()
    try:
        assert worker.shop.submit().order.state == "confirmed"
        with pytest.raises(dramatiq.BrokerError):
            worker.tell()
        # Not marked: it is still due to be published.
        assert {hint.system for hint in worker.shop.due()} == {systems["bank"].name, systems["mail"].name}
    finally:
        rabbitmq_server.start()
    assert tell_until(worker, lambda: all_done(worker.shop))
    assert systems["bank"].verbs() == ["act", "act"]


class FailingBroker:
    """Confirms so many messages, then loses its connection. `confirmed` are the tasks they told of."""

    def __init__(self, confirms: int) -> None:
        self.left = confirms
        self.confirmed: list[int] = []

    def enqueue(self, message: dramatiq.Message[Any]) -> None:
        if self.left == 0:
            raise dramatiq.ConnectionClosed("gone")
        self.left -= 1
        self.confirmed.extend(message.args[0])


@pytest.mark.parametrize(("confirms", "tasks"), [(0, 0), (1, TASKS_PER_MESSAGE), (3, 2 * TASKS_PER_MESSAGE + 1)])
def test_only_what_the_broker_has_confirmed_is_marked(shop: Shop, confirms: int, tasks: int) -> None:
    for _ in range(TASKS_PER_MESSAGE + 1):  # a full message and one more, for each of two systems
        shop.submit()
    broker = FailingBroker(confirms)
    with pytest.raises(dramatiq.ConnectionClosed):
        relay_once(broker, shop.settings)  # type: ignore[arg-type]
    assert {hint.task_id for hint in shop.due()} == {task.id for task in shop.tasks()} - set(broker.confirmed)
    assert len(broker.confirmed) == tasks


def test_a_task_that_nobody_claims_is_told_again_ever_more_seldom(shop: Shop) -> None:
    shop.submit()
    task = shop.task(kind="settle")
    waits: list[float] = []
    for _ in range(9):
        assert task.id in {hint.task_id for hint in shop.due()}
        relay_once(FailingBroker(confirms=99), shop.settings)  # type: ignore[arg-type]
        waits.append(shop.seconds_until_told(task.id))
        shop.let_time_pass(waits[-1] + 0.01)
    assert waits[0] == pytest.approx(HINT_AGAIN_SECONDS, abs=1)
    assert waits[-1] == pytest.approx(HINT_AGAIN_AT_MOST_SECONDS, abs=1)
    assert all(later >= earlier - 0.5 for earlier, later in zip(waits, waits[1:], strict=False))


def test_a_slow_system_leaves_threads_for_the_others(worker: Worker, systems: dict[str, Scripted]) -> None:
    go_on, at_it = threading.Event(), threading.Semaphore(0)

    def wait(_verb: str, _effect: object) -> None:
        at_it.release()
        go_on.wait(60)

    systems["bank"].before = wait
    for _ in range(4 * TASKS_PER_MESSAGE):  # a message for each thread that the system may keep busy
        worker.shop.submit()
    try:
        mail = systems["mail"]
        assert tell_until(worker, lambda: all(task.state == "done" for task in worker.shop.tasks(system=mail.name)))
        assert [at_it.acquire(timeout=5) for _ in range(4)] == [True] * 4
        running = [task for task in worker.shop.tasks(system=systems["bank"].name) if task.state == "running"]
        assert len(running) == 4
    finally:
        go_on.set()
    # Who found no slot is told again.
    assert tell_until(worker, lambda: worker.shop.make_due() or all_done(worker.shop))
    assert set(systems["bank"].ever_done.values()) == {1}


def test_of_many_messages_at_once_none_is_forgotten_until_it_comes_again(
    start_worker: Callable[..., Worker], systems: dict[str, Scripted]
) -> None:
    worker = start_worker(slots=1)
    for _ in range(60):
        worker.shop.submit()
    task_ids = [task.id for task in worker.shop.tasks(kind="settle")]
    # None is told of again within HINT_AGAIN_SECONDS: each message finds the slot free, or is seen by who has it.
    for task_id in task_ids:
        worker.broker.enqueue(hint_message([task_id], systems["bank"].name))
    assert poll_until(lambda: {task.state for task in worker.shop.tasks(kind="settle")} == {"done"}, within_seconds=4)


def test_a_worker_that_is_told_to_stop_ends_the_task_it_is_at_and_begins_no_other(
    start_worker: Callable[..., Worker], systems: dict[str, Scripted]
) -> None:
    go_on, at_it = threading.Event(), threading.Event()

    def wait(_verb: str, _effect: object) -> None:
        at_it.set()
        go_on.wait(30)

    worker = start_worker(slots=1)
    systems["bank"].before = wait
    for _ in range(5):
        worker.shop.submit()
    tasks = worker.shop.tasks(kind="settle")
    worker.broker.enqueue(hint_message([task.id for task in tasks], systems["bank"].name))
    assert at_it.wait(10)
    stopping = threading.Thread(target=worker.threads.stop)
    stopping.start()
    assert poll_until(lambda: not any(thread.running for thread in worker.threads.workers), within_seconds=10)
    go_on.set()
    stopping.join(20)
    assert sorted(task.state for task in worker.shop.tasks(kind="settle")) == ["done"] + ["waiting"] * 4


def test_a_task_that_breaks_its_run_gives_its_slot_back(
    start_worker: Callable[..., Worker], broker_urls: tuple[str, ...], systems: dict[str, Scripted]
) -> None:
    worker = start_worker(*broker_urls, slots=1)
    systems["bank"].acts.append(dies)
    worker.shop.submit()
    assert tell_until(worker, lambda: worker.shop.task(kind="settle").state == "running" and not systems["bank"].acts)
    worker.shop.let_task_leases_lapse()
    worker.shop.work()
    assert tell_until(worker, lambda: worker.shop.make_due() or all_done(worker.shop))


def test_eight_relays_at_once_send_hints_twice_and_do_nothing_twice(
    worker: Worker, systems: dict[str, Scripted]
) -> None:
    for _ in range(10):
        worker.shop.submit()

    def tell(_number: int) -> int:
        with worker.shop.app.app_context():
            return worker.tell()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(8)))
    # Who found no slot is told again.
    assert tell_until(worker, lambda: worker.shop.make_due() or all_done(worker.shop))
    assert systems["bank"].ever_done.total() == systems["mail"].ever_done.total() == 10
    assert {task.claims for task in worker.shop.tasks()} == {1}
