"""The table: medians over the rounds, with their ranges; ratios are to the baseline in the same round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median

from bench.measuring import Cell, Measured

COLUMNS = (
    "answers after",
    "clients",
    "",
    "submitted /s",
    "all done /s",
    "all done, x baseline",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "processor ms/order",
    "processor, x baseline",
    "processors used by others",
)
PROGRAMS = ("web", "worker", "timer")
PARTS = ("web", "worker", "timer", "database", "broker")
BASELINE, PRODUCT = "baseline", "orderapp"


def markdown(measured: list[Measured], form: str) -> str:
    """Return the whole report: a table of all cells, and one of what uses the processor."""
    cells = list(dict.fromkeys(one.cell for one in measured))
    rows = [_row(cell, name, measured) for cell in cells for name in (BASELINE, PRODUCT)]
    busiest = next((cell for cell in cells if cell == Cell(0, 16)), cells[-1])
    return "\n".join(
        (
            f"{form} Median [least-most]; ratios are to the baseline in the same round.",
            "",
            *_table(COLUMNS, rows),
            "",
            f"Processor ms per order, {busiest.clients} clients, systems answering after {busiest.delay_ms} ms:",
            "",
            *_table(("", *PARTS, "all"), [_parts(busiest, name, measured) for name in (BASELINE, PRODUCT)]),
            "",
            "Memory after it, MB, what processes share counted once:",
            "",
            *_table(("", *PROGRAMS), [_memory(busiest, name, measured) for name in (BASELINE, PRODUCT)]),
            "",
        )
    )


def ratios(measured: list[Measured], cell: Cell, what: Callable[[Measured], float]) -> list[float]:
    """Return, for each round, what the product has of what the baseline has."""
    return [
        what(ours) / what(theirs)
        for ours, theirs in zip(_of(measured, cell, PRODUCT), _of(measured, cell, BASELINE), strict=False)
    ]


def _row(cell: Cell, name: str, measured: list[Measured]) -> list[str]:
    runs = _of(measured, cell, name)
    done = processor = "1"
    if name == PRODUCT:
        done = f"**{_spread(ratios(measured, cell, lambda one: one.done_per_second), 2)}**"
        processor = _spread(ratios(measured, cell, _processor_ms), 1)
    return [
        f"{cell.delay_ms} ms",
        str(cell.clients),
        name,
        _spread(one.submitted_per_second for one in runs),
        _spread(one.done_per_second for one in runs),
        done,
        *(_spread(one.submit_ms[share] for one in runs) for share in ("p50", "p95", "p99")),
        _spread(map(_processor_ms, runs), 1),
        processor,
        _spread((one.other_processors for one in runs), 1),
    ]


def _parts(cell: Cell, name: str, measured: list[Measured]) -> list[str]:
    runs = _of(measured, cell, name)
    parts = [_spread((one.processor_ms.get(part, 0.0) for one in runs), 1) for part in PARTS]
    return [name, *parts, _spread(map(_processor_ms, runs), 1)]


def _memory(cell: Cell, name: str, measured: list[Measured]) -> list[str]:
    runs = _of(measured, cell, name)
    return [name, *(_spread(one.memory_mb.get(program, 0.0) for one in runs) for program in PROGRAMS)]


def _processor_ms(one: Measured) -> float:
    return sum(one.processor_ms.values())


def _of(measured: list[Measured], cell: Cell, name: str) -> list[Measured]:
    return [one for one in measured if one.cell == cell and one.contestant == name]


def _spread(values: Iterable[float], digits: int = 0) -> str:
    """Return the median, and least and most where there are several."""
    all_values = sorted(values)
    middle, least, most = (f"{value:.{digits}f}" for value in (median(all_values), all_values[0], all_values[-1]))
    return middle if len(all_values) == 1 else f"{middle} [{least}-{most}]"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return [lines[0], "|---" * (lines[0].count("|") - 1) + "|", *lines[1:]]
