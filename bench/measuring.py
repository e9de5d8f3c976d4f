"""One measurement: so many orders by so many clients, until everything that follows from them is done and right."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from bench.connections import connect_evenly
from bench.contestants import Contestant
from bench.load import Answered, Load, submit_all
from bench.processes import busy_seconds, resident_mb, used_seconds
from bench.workload import SYSTEMS, submissions

POLL_SECONDS = 0.02  # how exactly the end is seen
DRAIN_SECONDS = 120.0  # tasks take seconds; after this something is stuck, and the audit tells what


@dataclass(frozen=True, slots=True)
class Cell:
    """A kind of measurement.

    Args:
        delay_ms: How long the external systems take to answer.
        clients: How many submit at the same time.

    """

    delay_ms: int
    clients: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement found.

    Args:
        contestant: Who was measured.
        submit_ms: The 50th, 95th and 99th of a hundred submissions.
        processor_ms: Processor time per order by what used it, the external systems and the load left out.
        memory_mb: What the contestant's programs held at the end, by program, what processes share counted once.
        other_processors: How many processors programs of others kept busy meanwhile.
        unconfirmed: Orders that were answered with anything but "confirmed", or not at all.
        wrong: What is wrong with the effects, an order a line. Empty: each of a confirmed order's is in place exactly
            once, and nothing else is.
        repeats: Calls that a system had had before, under the same key.

    """

    contestant: str
    cell: Cell
    orders: int
    submitted_per_second: float
    done_per_second: float
    submit_ms: dict[str, float]
    processor_ms: dict[str, float]
    memory_mb: dict[str, float]
    other_processors: float
    unconfirmed: int
    wrong: list[str]
    repeats: int


class Systems:
    """The stand-in, from outside."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid
        self._session = requests.Session()

    def reset(self, delay_seconds: float) -> None:
        """Forget all effects; from now on answer after this long."""
        answer = self._session.post(f"{self.url}/bench/reset", json={"delay_seconds": delay_seconds}, timeout=5)
        answer.raise_for_status()

    def ask(self, what: str) -> Any:
        """Return the `totals` or the `effects`."""
        return self._session.get(f"{self.url}/bench/{what}", timeout=30).json()


def measure(contestant: Contestant, systems: Systems, cell: Cell, orders: int, servers: Mapping[str, int]) -> Measured:
    """Submit the orders and wait for all that follows.

    Args:
        servers: The pids of the database and the broker, by name.

    """
    systems.reset(cell.delay_ms / 1000)
    sockets = connect_evenly(contestant.port, cell.clients, contestant.programs.pids["web"])
    waiting = submissions(orders)
    groups = {**contestant.programs.pids, **servers}
    used = {name: used_seconds([pid]) for name, pid in groups.items()}
    ours, busy = _all_ours(groups, systems), busy_seconds()
    started = time.perf_counter()
    load = submit_all(waiting, contestant.token, sockets)
    _wait_until_done(contestant, systems, load)
    seconds = time.perf_counter() - started
    others = busy_seconds() - busy - (_all_ours(groups, systems) - ours)
    spent = {name: (used_seconds([pid]) - used[name]) * 1000 / orders for name, pid in groups.items()}
    effects = systems.ask("effects")
    return Measured(
        contestant=contestant.name,
        cell=cell,
        orders=orders,
        submitted_per_second=orders / load.seconds,
        done_per_second=orders / seconds,
        submit_ms=_percentiles(load),
        processor_ms=spent,
        memory_mb={name: resident_mb(pid) for name, pid in contestant.programs.pids.items()},
        other_processors=max(0.0, others / seconds),
        unconfirmed=orders - _confirmed(load),
        wrong=audit(load.answers, effects["effects"]),
        repeats=effects["repeats"],
    )


def audit(answers: list[Answered], effects: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a line for each effect of a confirmed order that isn't there exactly once, and for each other effect.

    Args:
        answers: What the shop answered.
        effects: How many are in place, by system and then by order or phone number.

    """
    wrong = []
    strays = {(system, whose): count for system, counted in effects.items() for whose, count in counted.items()}
    for one in answers:
        for system in SYSTEMS if one.confirmed else ():
            whose = one.submission.phone if system == "sms" else str(one.order.get("number"))
            found = strays.pop((system, whose), 0)
            if found != 1:
                wrong.append(f"{system} has {found} effects of the confirmed order {one.order.get('number')}")
    return wrong + [f"{system} has {count} effects of {whose}" for (system, whose), count in strays.items() if count]


def _wait_until_done(contestant: Contestant, systems: Systems, load: Load) -> None:
    """Return once each confirmed order is settled and told, and the contestant says that nothing is left to do."""
    confirmed = _confirmed(load)
    gives_up_at = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < gives_up_at:
        totals = systems.ask("totals")
        if min(totals.get("settlement", 0), totals.get("sms", 0)) >= confirmed and not contestant.has_work():
            return
        time.sleep(POLL_SECONDS)


def _confirmed(load: Load) -> int:
    return sum(one.confirmed for one in load.answers)


def _all_ours(groups: Mapping[str, int], systems: Systems) -> float:
    return used_seconds([*groups.values(), systems.pid]) + time.process_time()


def _percentiles(load: Load) -> dict[str, float]:
    ordered = sorted(one.seconds for one in load.answers)
    # The nearest rank: a time that some client really waited.
    ranks = {share: -(-len(ordered) * share // 100) for share in (50, 95, 99)}
    return {f"p{share}": ordered[rank - 1] * 1000 for share, rank in ranks.items()}
