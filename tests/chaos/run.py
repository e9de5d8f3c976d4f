"""A chaos run from end to end: orders among faults, kills and restarts; then quiet; then the audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from tests.chaos import audit
from tests.chaos.customers import PATIENT_SECONDS, Story
from tests.chaos.disturbances import PROCESSES, Disturbances
from tests.chaos.figures import DONE_LIMIT_SECONDS, Figures, machine
from tests.chaos.load import Load
from tests.flow.effect_ledger import connected, unfinished
from tests.flow.production import Production
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

POLL_SECONDS = 0.2
# Late enough for a compensation to come before what it is to undo, busy as the workers are.
COUPON_LATE_SECONDS = 5.0
UNDECIDED = "SELECT id FROM placements WHERE state = 'placing'"


@dataclass(frozen=True)
class Chaos:
    """The parameters of a run: the seed, the number of orders, the seconds over which they come."""

    seed: int
    orders: int
    seconds: float


def run(
    chaos: Chaos,
    folder: Path,
    postgres: PostgresServer,
    rabbitmq: RabbitmqServer,
    say: Callable[[str], None] = lambda text: None,
) -> Figures:
    """Run it on these servers, which it restarts and empties; logs go to the folder."""
    rabbitmq.reset_vhost()
    database_url = postgres.create_database()
    production = Production(folder, database_url, rabbitmq.url, PROCESSES, COUPON_LATE_SECONDS)
    try:
        token = production.set_up()
        production.start()
        audit.stock_up(production)
        load = Load(production.base_url, token, chaos.seed, chaos.orders)
        disturbances = Disturbances(production, postgres, rabbitmq, chaos.seed)
        say(f"{chaos.orders} orders over {chaos.seconds:.0f} s, among faults, kills and restarts ...")
        return _disturbed(chaos, production, load, disturbances, say)
    finally:
        production.close()
        postgres.drop_database(database_url)


def _disturbed(
    chaos: Chaos, production: Production, load: Load, disturbances: Disturbances, say: Callable[[str], None]
) -> Figures:
    began = time.monotonic()
    disturbances.begin()
    try:
        load.begin(chaos.seconds)
    finally:
        disturbances.end()
    ended, at_the_end = time.monotonic(), machine()
    load.end()
    say(f"The faults are over after {ended - began:.0f} s. Waiting until everything is done ...")
    consistent_seconds, done_seconds = _times_to_quiet(production, load, ended)
    stories = load.stories()
    problems = [*disturbances.ended, *(f"still under way: {what}" for what in unfinished(production))]
    say("Asking again with every key, and comparing the ledgers ...")
    load.ask_again()
    problems += audit.problems(production, stories)
    faults = production.sandbox.faults()
    return Figures(
        seed=chaos.seed,
        disturbed_seconds=ended - began,
        customers=_customers(stories),
        answers=dict(Counter(story.answer for story in stories)),
        orders=_counted(production, "SELECT state AS what, count(*) AS how_many FROM orders GROUP BY state"),
        placements=_counted(production, "SELECT 'all' AS what, count(*) AS how_many FROM placements")["all"],
        calls={system: fault["calls"] for system, fault in faults.items()},
        disturbed={system: fault["disturbed"] for system, fault in faults.items()},
        acts=dict(disturbances.counts),
        consistent_seconds=consistent_seconds,
        done_seconds=done_seconds,
        processors=int(at_the_end["processors"]),
        load_average=at_the_end["load_average"],
        problems=problems,
    )


def _times_to_quiet(production: Production, load: Load, ended: float) -> tuple[float, float]:
    """Return when the last order of the time before was decided, and when everything was done, in seconds after it.

    Watches a little longer than allowed. Customers whose first request comes only now don't count for the former.
    """
    with connected(production) as connection:
        undecided = set(connection.execute(text(UNDECIDED)).scalars())
    decided_at = at = 0.0
    while at < DONE_LIMIT_SECONDS + PATIENT_SECONDS:
        with connected(production) as connection:
            undecided &= set(connection.execute(text(UNDECIDED)).scalars())
        open_rows = unfinished(production)
        at = time.monotonic() - ended
        if undecided:
            decided_at = at
        if not open_rows and load.is_over() and production.sandbox.ledger()["waiting"] == 0:
            break
        time.sleep(POLL_SECONDS)
    return decided_at, at


def _customers(stories: list[Story]) -> dict[str, int]:
    waits: Counter[str] = sum((story.waits for story in stories), Counter())
    return {
        "in all": len(stories),
        "sent each key twice at once": sum(story.plan.twice for story in stories),
        "tried failed orders again": sum(story.retried for story in stories),
        **{f"asked again after {why}": times for why, times in waits.items()},
    }


def _counted(production: Production, query: str) -> dict[str, int]:
    with connected(production) as connection:
        return {row.what: row.how_many for row in connection.execute(text(query))}
