"""The contestants in turns, each in all cells, never two at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.cells import CELLS, WARM_UP, orders_in
from bench.contestants import Contestant
from bench.measuring import Measured, measure
from bench.surroundings import Surroundings, say

ROUNDS = 3  # the least that has a median


def measured_in_turns(contestants: Sequence[Contestant], around: Surroundings, orders: int) -> list[Measured]:
    """Prepare the contestants and measure them, in each round all.

    Args:
        orders: The orders of one measurement with many clients and systems that answer immediately.
    """
    for contestant in contestants:
        contestant.prepare()
    measured: list[Measured] = []
    for number in range(1, ROUNDS + 1):
        # The machine's speed changes, so the first contestant of this round is the last of the next.
        for contestant in contestants if number % 2 else reversed(contestants):
            say(f"Round {number} of {ROUNDS}: {contestant.name}")
            with contestant.running():
                warm_up(contestant, around)
                measured += _all_cells(contestant, around, orders)
    return measured


def warm_up(contestant: Contestant, around: Surroundings) -> None:
    """Let caches fill and each connection learn its statements, on tables that the database knows the sizes of.

    PostgreSQL finds those out by itself within a minute, which is longer than a measurement takes.
    """
    for cell, orders in WARM_UP.items():
        measure(contestant, around.systems, cell, orders, around.servers)
        contestant.analyse()


def wrong_effects(measured: Iterable[Measured]) -> list[str]:
    """Return a line for each effect that is missing, double or stray."""
    return [f"{one.contestant}: {line}" for one in measured for line in one.wrong]


def _all_cells(contestant: Contestant, around: Surroundings, orders: int) -> Iterator[Measured]:
    for cell in CELLS:
        one = measure(contestant, around.systems, cell, orders_in(cell, orders), around.servers)
        say(
            f"  {cell.delay_ms:2} ms, {cell.clients:2} clients: {one.done_per_second:4.0f} orders/s all done, "
            f"p50 {one.submit_ms['p50']:4.0f} ms, programs of others used {one.other_processors:.1f} processors"
            f"{', WRONG EFFECTS' if one.wrong else ''}"
        )
        yield one
