"""One measurement: so many orders by so many clients, until everything that follows from them is done and right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.audit import audit
from bench.cells import Cell
from bench.connections import connect_evenly
from bench.contestants import Contestant
from bench.database_work import DatabaseWork
from bench.load import submit_all
from bench.percentiles import percentiles
from bench.processes import busy_seconds, resident_mb, used_seconds
from bench.servers import Servers
from bench.systems import Systems
from bench.workload import submissions

POLL_SECONDS = 0.02  # how exactly the end is seen
DRAIN_SECONDS = 120.0  # tasks take seconds; after this something is stuck, and the audit tells what


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement found. "Per order" and rates are of confirmed orders.

    Args:
        contestant: Who was measured.
        orders: How many were submitted.
        confirmed: How many of them were answered with "confirmed".
        turned_away: How many got which other answer.
        submit_ms: The 50th, 95th and 99th of a hundred submissions of confirmed orders.
        processor_ms: Processor time per order by what used it, the external systems and the load left out.
        memory_mb: What the contestant's programs held at the end, by program, what processes share counted once.
        work: The database's work per order; None if it isn't counted.
        other_processors: How many processors programs of others kept busy meanwhile.
        wrong: One line for each order with wrong effects. Empty: each effect of each confirmed order is in place
            exactly once, and no other.
        repeats: Calls that repeated an earlier one under the same key.
    """

    contestant: str
    cell: Cell
    orders: int
    confirmed: int
    turned_away: dict[str, int]
    submitted_per_second: float
    done_per_second: float
    submit_ms: dict[str, float]
    processor_ms: dict[str, float]
    memory_mb: dict[str, float]
    work: DatabaseWork | None
    other_processors: float
    wrong: list[str]
    repeats: int


def read_measured(written: Iterable[Mapping[str, Any]]) -> list[Measured]:
    """Return measurements as they were before they were written as JSON."""
    return [
        Measured(**{**one, "cell": Cell(**one["cell"]), "work": DatabaseWork(**one["work"]) if one["work"] else None})
        for one in written
    ]


def measure(contestant: Contestant, systems: Systems, cell: Cell, orders: int, servers: Servers) -> Measured:
    """Submit the orders and wait for all that follows."""
    systems.reset(cell.delay_ms / 1000)
    sockets = connect_evenly(contestant.port, cell.clients, contestant.programs.pids["web"])
    waiting = submissions(orders)
    groups = {**contestant.programs.pids, **servers.pids}
    used = {name: used_seconds([pid]) for name, pid in groups.items()}
    work_before = _work(contestant, servers)
    ours, busy = _all_ours(groups, systems), busy_seconds()
    started = time.perf_counter()
    load = submit_all(waiting, contestant.token, sockets)
    confirmed = [one for one in load.answers if one.confirmed]
    wait_until_done(contestant, systems, len(confirmed))
    seconds = time.perf_counter() - started
    others = busy_seconds() - busy - (_all_ours(groups, systems) - ours)
    work, counted = _work(contestant, servers), max(1, len(confirmed))
    effects = systems.effects()
    return Measured(
        contestant=contestant.name,
        cell=cell,
        orders=orders,
        confirmed=len(confirmed),
        turned_away=dict(Counter(one.reason for one in load.answers if not one.confirmed)),
        submitted_per_second=len(confirmed) / load.seconds,
        done_per_second=len(confirmed) / seconds,
        submit_ms=percentiles(one.seconds * 1000 for one in confirmed),
        processor_ms={name: (used_seconds([pid]) - used[name]) * 1000 / counted for name, pid in groups.items()},
        memory_mb={name: resident_mb(pid) for name, pid in contestant.programs.pids.items()},
        work=work.per_order(work_before, counted) if work and work_before else None,
        other_processors=max(0.0, others / seconds),
        wrong=audit(load.answers, effects["effects"]),
        repeats=effects["repeats"],
    )


def wait_until_done(contestant: Contestant, systems: Systems, confirmed: int) -> bool:
    """Wait until so many orders have settlement and message and no work is left; return False if that never came."""
    gives_up_at = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < gives_up_at:
        totals = systems.totals()
        if min(totals.get("settlement", 0), totals.get("sms", 0)) >= confirmed and not contestant.has_work():
            return True
        time.sleep(POLL_SECONDS)
    return False


def _work(contestant: Contestant, servers: Servers) -> DatabaseWork | None:
    return servers.meter.read(contestant.database_url) if servers.meter else None


def _all_ours(groups: Mapping[str, int], systems: Systems) -> float:
    return used_seconds([*groups.values(), systems.pid]) + time.process_time()
