"""What the timer with its relay uses of a processor while nothing is due."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.growth.sized import VARIABLES
from bench.processes import used_seconds
from bench.programs import Programs
from bench.servers import Servers

SETTLE_SECONDS = 5.0  # its first looks, and its connections
SECONDS = 30.0  # six hundred looks of the relay, thirty of the timer
NOWHERE = "http://127.0.0.1:9"  # no system is called


@dataclass(frozen=True, slots=True)
class Idle:
    """Shares of one processor: of the timer's process, and of the database's processes meanwhile."""

    timer: float
    database: float


def idle(url: str, servers: Servers, logs: Path) -> Idle:
    """Let `flask timer` run on a database where nothing is due.

    Without the nightly reconciliation: it has much to do in a shop that never had one.
    """
    addresses = {f"{system}_URL": NOWHERE for system in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT")}
    settings = {"DATABASE_URL": url, "RABBITMQ_URL": servers.rabbitmq_url, "RECONCILE_INTERVAL_SECONDS": "0"}
    programs = Programs(logs, {**VARIABLES, **addresses, **settings})
    try:
        timer = programs.start("timer", "flask", "timer")
        time.sleep(SETTLE_SECONDS)
        groups = ([timer.pid], [servers.pids["database"]])
        before, started = [used_seconds(pids) for pids in groups], time.perf_counter()
        time.sleep(SECONDS)
        took = time.perf_counter() - started
        return Idle(*((used_seconds(pids) - used) / took for pids, used in zip(groups, before, strict=True)))
    finally:
        programs.stop()
