"""The metrics for Prometheus, read from the database at each scrape, so every process answers the same."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from orderapp.config import current_settings
from orderapp.errors import DatabaseUnavailable
from orderapp.models import CircuitState
from orderapp.services.operations.metrics import WINDOW_SECONDS, Numbers, read_numbers

log = structlog.get_logger()


class OrderCollector(Collector):
    """Collects what the database knows. Needs an application context."""

    def describe(self) -> list[Metric]:
        """Return nothing: what there is depends on the database, which isn't asked when the registry is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read the metrics; if the database can't be used, return only the metric that says so."""
        usable = GaugeMetricFamily("orderapp_database_usable", "Whether the database could be read for this scrape")
        settings = current_settings()
        try:
            numbers = read_numbers(settings.systems, settings.jobs)
        except DatabaseUnavailable:
            log.warning("metrics.database_unavailable")
            usable.add_metric([], 0)
            yield usable
            return
        usable.add_metric([], 1)
        yield usable
        yield from _families(numbers)


def _families(numbers: Numbers) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("orderapp_tasks", "Tasks that aren't finished", labels=["kind", "system", "state"])
    for kind, system, state, tally in numbers.open_tasks:
        tasks.add_metric([kind, system, state], tally)
    yield tasks
    yield GaugeMetricFamily(
        "orderapp_oldest_due_task_age_seconds",
        "How long the task that has been due the longest waits for a worker; 0 where none is due",
        numbers.oldest_due_task_seconds,
    )
    orders = GaugeMetricFamily("orderapp_orders", "Orders that aren't in a final state", labels=["state"])
    ages = GaugeMetricFamily(
        "orderapp_oldest_order_age_seconds", "Time since the last change of the stillest such order", labels=["state"]
    )
    for state, (tally, oldest_seconds) in numbers.open_orders.items():
        orders.add_metric([state], tally)
        ages.add_metric([state], oldest_seconds)
    yield orders
    yield ages
    attempts = GaugeMetricFamily(
        "orderapp_recent_attempts",
        f"Runs against each system, and of each job, that began in the last {WINDOW_SECONDS} seconds",
        labels=["system", "outcome"],
    )
    for system, outcome, tally in numbers.attempts:
        attempts.add_metric([system, outcome], tally)
    yield attempts
    mismatches = GaugeMetricFamily(
        "orderapp_open_mismatches", "Effects that aren't as our rows say, and await staff", labels=["system", "kind"]
    )
    for system, kind, tally in numbers.open_mismatches:
        mismatches.add_metric([system, kind.replace(" ", "_")], tally)
    yield mismatches
    yield _skipped(numbers)
    yield from _webhooks(numbers)
    yield _circuits(numbers)
    yield _refusals(numbers)


def _skipped(numbers: Numbers) -> Metric:
    skipped = GaugeMetricFamily(
        "orderapp_skipped_items", "Items that raise, so that the rest goes on without them", labels=["kind"]
    )
    for kind, tally in numbers.skipped.items():
        skipped.add_metric([kind], tally)
    return skipped


def _webhooks(numbers: Numbers) -> Iterator[Metric]:
    webhooks = GaugeMetricFamily("orderapp_webhooks", "Subscriptions to events", labels=["state"])
    for state, tally in numbers.webhooks.items():
        webhooks.add_metric([state], tally)
    yield webhooks
    yield GaugeMetricFamily(
        "orderapp_waiting_deliveries",
        "Events that wait to be sent, once for each subscription; counted to 10000",
        numbers.waiting_deliveries,
    )


def _refusals(numbers: Numbers) -> Metric:
    refusals = CounterMetricFamily(
        "orderapp_refusals",
        "Requests that were refused or throttled (401, 403, 429, forms of another session)",
        labels=["area", "status", "code"],
    )
    for area, status, code, tally in numbers.refusals:
        refusals.add_metric([area, str(status), code], tally)
    return refusals


def _circuits(numbers: Numbers) -> Metric:
    circuits = GaugeMetricFamily(
        "orderapp_circuit",
        "1 for the state that a system's circuit is in, 0 for the others",
        labels=["system", "state"],
    )
    for system, state in numbers.circuits.items():
        for one in CircuitState:
            circuits.add_metric([system, one.value], int(one.value == state))
    return circuits


registry = CollectorRegistry(auto_describe=False)
registry.register(OrderCollector())
# These describe the process that answers; with several, each scrape may show another one.
for kind in (ProcessCollector, PlatformCollector, GCCollector):
    kind(registry=registry)
