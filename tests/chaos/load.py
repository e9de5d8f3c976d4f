"""The load: so many customers, one after the other at an even pace, each in a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from tests.chaos.customers import PATIENT_SECONDS, Customer, Plan, Story
from tests.flow.clients import Clients

# Customers at a time. Most of them wait, for an answer or to ask again; beyond that the later ones begin later.
THREADS = 160
# How long after the faults' end a customer may still be without an answer: a lease, and the calls after it.
AFTERWARDS_SECONDS = 30.0


class Load:
    """Customers of one installation, drawn from a seed.

    Args:
        base_url: Where the API is.
        token: An API client's.
        seed: The same one draws the same orders and plans.
        orders: How many customers there are, each with one order.
    """

    def __init__(self, base_url: str, token: str, seed: int, orders: int) -> None:
        chosen, contents = random.Random(f"{seed}:customers"), Clients(base_url, token, seed)
        self._stopping = threading.Event()
        self._ends_at = float("inf")
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="customer")
        plans = [_plan(contents, chosen) for _ in range(orders)]
        self._customers = [Customer(base_url, token, plan, self._stopping) for plan in plans]
        self._living: list[Future[Story]] = []

    def begin(self, seconds: float) -> None:
        """Start the customers, spread over so many seconds; return when the last one has started."""
        started, begun = time.monotonic(), threading.Semaphore(0)

        def live(customer: Customer) -> Story:
            begun.release()
            return customer.live(lambda: self._ends_at)

        for number, customer in enumerate(self._customers):
            time.sleep(max(0.0, started + number * seconds / len(self._customers) - time.monotonic()))
            self._living.append(self._pool.submit(live, customer))
        for _ in self._customers:
            begun.acquire()

    def end(self) -> None:
        """Let no customer begin anything new. The faults are over, so all answers must come soon."""
        self._ends_at = time.monotonic() + AFTERWARDS_SECONDS
        self._stopping.set()

    def is_over(self) -> bool:
        """Return whether every customer has a final answer or has given up."""
        return all(living.done() for living in self._living)

    def stories(self) -> list[Story]:
        """Wait for all customers, and return their stories."""
        return [living.result(AFTERWARDS_SECONDS + 3 * PATIENT_SECONDS) for living in self._living]

    def ask_again(self) -> None:
        """Send the first key of every customer once more."""
        list(self._pool.map(Customer.ask_again, self._customers))
        self._pool.shutdown()


def _plan(contents: Clients, chosen: random.Random) -> Plan:
    return Plan(
        content=contents.content(),
        # A fifth goes away before the answer can have come, or just then.
        hurry_seconds=chosen.uniform(0.02, 0.6) if chosen.random() < 0.2 else PATIENT_SECONDS,
        twice=chosen.random() < 0.15,
        retries=chosen.choice((0, 0, 1, 2)),
        cancels=chosen.random() < 0.15,
    )
