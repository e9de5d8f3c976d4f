"""`make memory`: measures the memory of each process of orderapp over 100,000 orders (`BENCH_ORDERS`).

Web processes aren't replaced during it, as they are after 50,000 requests otherwise: that would hide a leak.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench.cells import Cell
from bench.contestants import Product
from bench.measuring import measure
from bench.orders_wanted import orders_wanted
from bench.processes import held_mb
from bench.surroundings import Surroundings, running_surroundings, say
from bench.tables import table
from orderapp.no_arguments import refuse_arguments
from tests.servers.process import ServerDiedError

DEFAULT_ORDERS = 100_000
# Enough clients to keep both processors busy all the time; the external systems answer immediately.
LOAD = Cell(0, 32)
FIRST_SAMPLE_ORDERS = 1_000  # by then each thread has done everything once
SAMPLE_ORDERS = 5_000
WEB_OPTIONS = ("--max-requests", "0")
MOST_GROWTH = 1.1  # what a process may hold at the end, in terms of the first sample


@dataclass(frozen=True, slots=True)
class Sample:
    """What the processes held after so many orders.

    Args:
        orders: Since the start.
        held_mb: Memory that is in no other process, by process; those of a kind have a number behind its name.
        wrong: Effects that were missing, double or stray since the last sample, a line each.
    """

    orders: int
    held_mb: dict[str, float]
    wrong: list[str]


def main() -> int:
    """Measure, print and write it; return 1 if a process grew or an effect was wrong."""
    orders = orders_wanted(DEFAULT_ORDERS, least=2 * FIRST_SAMPLE_ORDERS)
    with running_surroundings() as around:
        product = Product(around.servers, around.systems.url, around.logs, WEB_OPTIONS)
        product.prepare()
        samples: list[Sample] = []
        with product.running():
            for sample in _samples(product, around, orders):
                samples.append(sample)
                around.write("memory", _as_json(samples))  # half an hour is long: keep a stopped run too
        around.keep("memory", _as_json(samples), memory_markdown(samples))
    too_much = any(value > MOST_GROWTH for value in growth(samples).values())
    return 1 if too_much or any(one.wrong for one in samples) else 0


def growth(samples: list[Sample]) -> dict[str, float]:
    """Return what each process holds at the end, in terms of what it held at the first sample."""
    first, last = samples[0].held_mb, samples[-1].held_mb
    return {name: last[name] / held for name, held in first.items() if held and name in last}


def memory_markdown(samples: list[Sample]) -> str:
    """Return a table of all samples, and whether the effects were right."""
    names = list(samples[0].held_mb)
    rows = [[f"{one.orders:,}", *(f"{one.held_mb.get(name, 0):.1f}" for name in names)] for one in samples]
    last = ["last : first", *(f"**{growth(samples).get(name, 0):.2f}**" for name in names)]
    wrong = [line for one in samples for line in one.wrong]
    return "\n\n".join(
        (
            "Memory of orderapp's processes, MB, without what they share:",
            table(("after orders", *names), [*rows, last]),
            "\n".join(wrong[:20]) or "Each effect of each confirmed order was in place exactly once, and no other.",
        )
    )


def _samples(product: Product, around: Surroundings, orders: int) -> Iterator[Sample]:
    placed = 0
    for until in (FIRST_SAMPLE_ORDERS, *range(SAMPLE_ORDERS, orders, SAMPLE_ORDERS), orders):
        one = measure(product, around.systems, LOAD, until - placed, around.servers)
        placed = until
        sample = Sample(placed, _held(product), one.wrong)
        held = ", ".join(f"{name} {value:.0f}" for name, value in sample.held_mb.items())
        say(f"  {placed:7,} orders, {one.done_per_second:3.0f} a second; MB: {held}")
        yield sample


def _as_json(samples: list[Sample]) -> dict[str, object]:
    return {
        "orders": samples[-1].orders,
        "growth": growth(samples),
        "samples": [asdict(one) for one in samples],
    }


def _held(product: Product) -> dict[str, float]:
    """Return the memory of each single process."""
    return {
        f"{name}-{number}" if number else name: held
        for name, pid in product.programs.pids.items()
        for number, held in enumerate(held_mb(pid))
    }


if __name__ == "__main__":
    refuse_arguments("bench.memory", __doc__)
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; the samples so far are in build/bench/memory.json")
