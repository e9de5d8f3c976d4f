"""A chaos run from end to end: orders among faults, kills and restarts; then quiet; then the audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from orderapp.config import ROOT
from tests.chaos import audit, ticking
from tests.chaos.customers import PATIENT_SECONDS, Story
from tests.chaos.disturbances import PROCESSES, Disturbances
from tests.chaos.figures import DONE_LIMIT_SECONDS, Figures, machine
from tests.chaos.load import Load
from tests.flow.effect_ledger import connected, unfinished
from tests.flow.production import Production
from tests.flow.subscriber import Subscriber
from tests.servers.loopback import poll_until
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

POLL_SECONDS = 0.2
# Late enough for a compensation to come before what it is to undo, busy as the workers are.
COUPON_LATE_SECONDS = 5.0
SETTINGS = {
    "ORDERAPP_PLUGINS": ticking.__name__,
    "PYTHONPATH": str(ROOT),
    "WEBHOOKS_ALLOW_PRIVATE": "1",
    "WEBHOOKS_TIMEOUT": "1,1",
}
# Those by which others act. The rest would double the deliveries, and the run measures orders too.
EVENTS = ("order.confirmed", "order.consistent", "order.failed", "order.cancelled")
# Even after the faults, since on a busy machine most events are delivered only then.
UNWILLING = 0.1
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
    production = Production(folder, database_url, rabbitmq.url, PROCESSES, COUPON_LATE_SECONDS, **SETTINGS)
    subscriber = Subscriber(*EVENTS, unwilling=UNWILLING)
    try:
        token = production.set_up()
        with connected(production) as connection:
            subscriber.subscribe(connection)
            connection.execute(ticking.TABLE)
            connection.commit()
        production.start()
        audit.stock_up(production)
        load = Load(production.base_url, token, chaos.seed, chaos.orders)
        disturbances = Disturbances(production, postgres, rabbitmq, subscriber, chaos.seed)
        say(f"{chaos.orders} orders over {chaos.seconds:.0f} s, among faults, kills and restarts ...")
        return _disturbed(chaos, production, load, disturbances, subscriber, say)
    finally:
        production.close()
        subscriber.stop()
        postgres.drop_database(database_url)


def _disturbed(  # noqa: PLR0913 - all that takes part
    chaos: Chaos,
    production: Production,
    load: Load,
    disturbances: Disturbances,
    subscriber: Subscriber,
    say: Callable[[str], None],
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
    # The job runs every few seconds; without timers no further run is planned, and the last one ends.
    production.stop("timer-1", "timer-2")
    problems += [f"never ends: {what}" for what in _never_ends(production)]
    problems += audit.problems(production, stories, subscriber)
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
        events=_events(production, subscriber),
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


def _never_ends(production: Production) -> list[str]:
    poll_until(lambda: not unfinished(production), within_seconds=PATIENT_SECONDS)
    return unfinished(production)


def _customers(stories: list[Story]) -> dict[str, int]:
    waits: Counter[str] = sum((story.waits for story in stories), Counter())
    return {
        "in all": len(stories),
        "sent each key twice at once": sum(story.plan.twice for story in stories),
        "tried failed orders again": sum(story.retried for story in stories),
        **{f"asked again after {why}": times for why, times in waits.items()},
    }


def _events(production: Production, subscriber: Subscriber) -> dict[str, int]:
    with connected(production) as connection:
        count = {
            what: connection.execute(text(f"SELECT count(*) FROM {where}")).scalar_one()
            for what, where in (
                ("written", "events"),
                ("runs of a job", "chaos_ticks WHERE job = 'count-ticks'"),
            )
        }
    return {**count, "received": len(subscriber.got), "accepted": sum(one.accepted for one in subscriber.got)}


def _counted(production: Production, query: str) -> dict[str, int]:
    with connected(production) as connection:
        return {row.what: row.how_many for row in connection.execute(text(query))}
