"""The threads of a worker that jobs may use: no job holds up another one, and all of them hold up no order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from orderapp.ext import Run, enqueue, job
from orderapp.services.db.transactions import writing
from orderapp.systems.jobs import Job
from tasks.queues import hint_message
from tests.servers.loopback import poll_until
from tests.services.shop import Shop
from tests.tasks.conftest import Worker, tell_until

SLOTS = 4


class Hanging:
    """Jobs that hang until they may go on. `at_it` counts the runs that have begun."""

    def __init__(self) -> None:
        self.go_on, self.at_it = threading.Event(), threading.Semaphore(0)

    def job(self, name: str) -> Job:
        @job(name)
        def hang(run: Run) -> None:
            self.at_it.release()
            self.go_on.wait(60)

        return hang


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.go_on.set()


@job("count-things")
def count(run: Run) -> None:
    """Do nothing."""


def enqueued(one: Job) -> int:
    with writing() as session:
        return enqueue(one, session)


def test_a_job_that_hangs_leaves_threads_to_other_jobs(
    shop: Shop, start_worker: Callable[..., Worker], hanging: Hanging
) -> None:
    shop.with_jobs(wait_here := hanging.job("wait-here"), count)
    worker = start_worker(slots=SLOTS)
    for _ in range(3 * SLOTS):
        enqueued(wait_here)
    assert tell_until(worker, lambda: hanging.at_it.acquire(blocking=False))
    counted = enqueued(count)
    assert tell_until(worker, lambda: shop.task(id=counted).state == "done")
    assert sum(task.state == "running" for task in shop.tasks(system="wait-here")) == SLOTS // 2
    hanging.go_on.set()
    assert tell_until(worker, lambda: worker.shop.make_due() or {task.state for task in shop.tasks()} == {"done"})


def test_a_job_that_found_no_thread_free_is_run_by_the_next_that_is(
    shop: Shop, start_worker: Callable[..., Worker], hanging: Hanging
) -> None:
    first, second = hanging.job("wait-here"), hanging.job("wait-there")
    shop.with_jobs(first, second, count)
    worker = start_worker(slots=2)
    for one in (first, second, count):
        # Told of once: the relay's next hint would come too late for this test.
        worker.broker.enqueue(hint_message([enqueued(one)], one.name))
        assert one is count or hanging.at_it.acquire(timeout=10)
    worker.broker.join("orderapp.count-things.v1", timeout=10_000)
    assert shop.task(system="count-things").state == "waiting"
    hanging.go_on.set()
    assert poll_until(lambda: shop.task(system="count-things").state == "done", within_seconds=4)
