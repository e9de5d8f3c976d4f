"""The timer process (`flask timer`): recovery, probes of failing systems, relay, the next runs of jobs.

Any number of timers may run on any hosts, because every recovery is a claim.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial

import dramatiq
import structlog
from flask import Flask

from orderapp.config import Settings
from orderapp.errors import DatabaseUnavailable
from orderapp.services.backoffice.samples import MINUTE_SECONDS, take_sample
from orderapp.services.engine.backlog import pull_forward
from orderapp.services.engine.enqueue import plan_next_runs
from orderapp.services.engine.probes import probe_the_failing
from orderapp.services.engine.recovery import recover, tidy
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.services.resilience.switches import resume_ended
from orderapp.services.saga.closing import close_left_open
from orderapp.services.webhooks.distribute import distribute
from orderapp.services.webhooks.retention import forget_old_events
from tasks import app, broker, settings
from tasks.heartbeat import BEAT_SECONDS, beat
from tasks.relay import relay_until

log = structlog.get_logger()

CLOSE_SECONDS = 30.0  # an order that stayed open is rare, and the search scans all open orders
# After a round that raised: short enough for a fast recovery, long enough not to fill the log with tracebacks.
AFTER_AN_ERROR_SECONDS = 10.0
TIDY_SECONDS = 600.0  # expired rows need little space, so ten minutes are enough


def main() -> None:
    """Run until SIGTERM or SIGINT. The timer stops if one of its loops ends by itself."""
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    works: list[Callable[[], None]] = [
        partial(recover_until, stop, app, settings),
        partial(look_after_systems_until, stop, app, settings),
        partial(distribute_events_until, stop, app, settings),
    ]
    if settings.rabbitmq_urls:
        works.append(partial(relay_until, stop, broker, app, settings))
    beat()
    log.info("timer.started", relay=bool(settings.rabbitmq_urls))
    with ThreadPoolExecutor(len(works), thread_name_prefix="timer") as pool:
        running = [pool.submit(work) for work in works]
        while not wait(running, BEAT_SECONDS, return_when=FIRST_COMPLETED).done:
            beat()
        stop.set()
    close(broker)
    for ended in running:
        ended.result()
    log.info("timer.stopped")


def recover_until(stop: threading.Event, application: Flask, with_settings: Settings) -> None:
    """Recover, plan the next runs of jobs, and resume systems at their time. Survive the loss of the database."""
    closed_at = tidied_at = sampled_at = float("-inf")

    def recover_once() -> bool:
        nonlocal closed_at, tidied_at, sampled_at
        resume_ended(with_settings)
        more = recover(with_settings).more
        plan_next_runs(with_settings)
        if time.monotonic() - closed_at > CLOSE_SECONDS:
            close_left_open(with_settings.systems)
            closed_at = time.monotonic()
        if time.monotonic() - tidied_at > TIDY_SECONDS:
            tidy()
            tidied_at = time.monotonic()
        if time.monotonic() - sampled_at > MINUTE_SECONDS:
            take_sample(with_settings.systems)
            sampled_at = time.monotonic()
        return more

    _work_until(stop, application, with_settings, recover_once)


def look_after_systems_until(stop: threading.Event, application: Flask, with_settings: Settings) -> None:
    """Probe failing systems and pull forward the tasks of recovered ones, until stopped.

    This loop is separate from recovery, because a system that doesn't answer delays it by its time-outs.
    """

    def looks_after_systems() -> bool:
        probe_the_failing(with_settings)
        pull_forward(with_settings)
        return False

    _work_until(stop, application, with_settings, looks_after_systems)


def distribute_events_until(stop: threading.Event, application: Flask, with_settings: Settings) -> None:
    """Make deliveries of new events, and forget old ones, until stopped."""
    forgotten_at = float("-inf")

    def distributes_events() -> bool:
        nonlocal forgotten_at
        more = distribute()
        if time.monotonic() - forgotten_at > TIDY_SECONDS:
            forget_old_events(with_settings)
            forgotten_at = time.monotonic()
        return more

    _work_until(stop, application, with_settings, distributes_events)


def _work_until(stop: threading.Event, application: Flask, with_settings: Settings, work: Callable[[], bool]) -> None:
    """Work at each interval, and again immediately if there is more to do.

    Survive the loss of the database and every error of a round: it is logged and shown, and the next round begins.
    """
    failing = False
    while not stop.is_set():
        more, raised = False, True
        try:
            with application.app_context(), skipping(Kind.LOOP, work.__name__):
                more = work()
                raised = False
            if failing:
                log.info("timer.recovered")
            failing = False
        except DatabaseUnavailable as error:
            if not failing:
                log.warning("timer.database_unavailable", cause=type(error.__cause__).__name__)
            failing, raised = True, False
        if not more:
            stop.wait(AFTER_AN_ERROR_SECONDS if raised else with_settings.timer_interval_seconds)


def close(used: dramatiq.Broker) -> None:
    """Close the broker's connections."""
    used.close()


if __name__ == "__main__":
    main()
