"""The tables: how each query's cost grows, and what orders and idleness cost at each size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.growth.archiving import Archiving
from bench.growth.idle import Idle
from bench.growth.placing import Rates


def markdown(
    queries: Mapping[str, Mapping[int, float]],
    placing: Mapping[int, Rates],
    idleness: Mapping[int, Idle],
    sizes: Mapping[int, int],
    archiving: Archiving,
) -> str:
    """Return the whole report. All by number of orders: milliseconds, rates, shares of a processor, bytes."""
    kept = [orders for orders in sizes if orders]
    growth = f"{kept[-1]:,} / {kept[0]:,}"
    return "\n".join(
        (
            f"How each hot query's cost grows from {kept[0]:,} to {kept[-1]:,} orders: milliseconds, median.",
            "",
            *_table(
                ("orders", *(f"{orders:,}" for orders in kept), growth),
                (
                    (name, *(f"{found[orders]:.2f}" for orders in kept), f"{found[kept[-1]] / found[kept[0]]:.2f}")
                    for name, found in queries.items()
                ),
            ),
            "",
            "Orders in a second, one client, and against the empty shop in the same round; the database's size.",
            "",
            *_table(
                ("orders", "placed /s", "x empty", "all done /s", "x empty", "database MB"),
                (_rates(orders, one, sizes[orders]) for orders, one in placing.items()),
            ),
            "",
            "With nothing due, of one processor: the timer with its relay, and the database's processes.",
            "",
            *_table(
                ("orders", "timer %", "database %"),
                (
                    (f"{orders:,}", f"{one.timer * 100:.1f}", f"{one.database * 100:.1f}")
                    for orders, one in idleness.items()
                ),
            ),
            "",
            f"`flask archive` moved {archiving.orders:,} orders of the largest shop, {archiving.per_second:.0f} in a "
            f"second, {archiving.bytes_per_order:.0f} bytes each.",
            "",
        )
    )


def _rates(orders: int, one: Rates, size: int) -> tuple[str, ...]:
    placed = (f"{one.placed:.0f}", f"{one.placed_ratio:.2f}")
    return (f"{orders:,}", *placed, f"{one.done:.0f}", f"{one.done_ratio:.2f}", f"{size / 2**20:,.0f}")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|---" * (lines[0].count("|") - 1) + "|", *lines[1:]]
