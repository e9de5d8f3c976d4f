"""Measures orderapp with little to do: how soon a settlement is called, and what waiting costs."""

from __future__ import annotations

import random
import socket
import time
from dataclasses import dataclass

from sqlalchemy import DateTime, text

from bench.contestants import Product
from bench.load import submit_all
from bench.measuring import wait_until_done
from bench.percentiles import percentiles
from bench.processes import used_seconds
from bench.surroundings import Surroundings
from bench.tables import table
from bench.workload import submissions
from tests.servers.loopback import HOST

ORDERS = 100  # five of them are above the 95th percentile
# Between two orders: long enough that all work for one is done, and not a multiple of any polling interval.
PAUSE_SECONDS = (0.1, 0.4)
SETTLES_AFTER_SECONDS = 3.0  # what still goes on after the last order; the timer's works come each second
WATCHED_SECONDS = 30.0  # a tick of a processor's clock is 10 ms, so this tells shares of a thousandth
LAST_TASK = text("SELECT coalesce(max(id), 0) FROM tasks")
FIRST_ATTEMPTS = text(
    """
    SELECT attempts.started_at, placements.decided_at FROM attempts JOIN tasks ON tasks.id = attempts.task_id
    JOIN placements ON placements.id = tasks.placement_id
    WHERE tasks.kind = 'settle' AND attempts.number = 1 AND tasks.id > :after
    """
).columns(started_at=DateTime, decided_at=DateTime)


@dataclass(frozen=True, slots=True)
class Idle:
    """What was found.

    Args:
        orders: How many orders came, one at a time.
        settlement_ms: The 50th, 95th and 99th of a hundred times from the confirmation to the settlement's call.
        processor_shares: Per program and server, the share of a processor that it used with nothing to do.
    """

    orders: int
    settlement_ms: dict[str, float]
    processor_shares: dict[str, float]


def measure_idle(product: Product, around: Surroundings) -> Idle:
    """Place orders far apart, then watch what is used with nothing to do. The product must be running and warm."""
    around.systems.reset(0)
    with product.reading() as connection:
        last_task = connection.execute(LAST_TASK).scalar_one()
    for submission in submissions(ORDERS):
        submit_all([submission], product.token, [socket.create_connection((HOST, product.port))])
        time.sleep(random.uniform(*PAUSE_SECONDS))
    wait_until_done(product, around.systems, ORDERS)
    with product.reading() as connection:
        rows = connection.execute(FIRST_ATTEMPTS, {"after": last_task}).all()
    return Idle(
        orders=ORDERS,
        settlement_ms=percentiles((started - decided).total_seconds() * 1000 for started, decided in rows),
        processor_shares=_used_by_waiting({**product.programs.pids, **around.servers.pids}),
    )


def idle_markdown(idle: Idle) -> str:
    """Return it as two sentences and a table."""
    times = idle.settlement_ms
    return "\n\n".join(
        (
            f"On an idle system ({idle.orders} orders, one at a time) half of the settlements were called for within "
            f"{times['p50']:.0f} ms of the confirmation, 95 % within {times['p95']:.0f} ms, 99 % within "
            f"{times['p99']:.0f} ms. Share of a processor over {WATCHED_SECONDS:.0f} s with nothing to do:",
            table(list(idle.processor_shares), [[f"{share:.1%}" for share in idle.processor_shares.values()]]),
        )
    )


def _used_by_waiting(pids: dict[str, int]) -> dict[str, float]:
    time.sleep(SETTLES_AFTER_SECONDS)
    before = {name: used_seconds([pid]) for name, pid in pids.items()}
    time.sleep(WATCHED_SECONDS)
    return {name: (used_seconds([pid]) - before[name]) / WATCHED_SECONDS for name, pid in pids.items()}
