"""The tables of the rounds: medians with their ranges; ratios are to the baseline in the same round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import median

from bench.cells import HEADLINE, Cell
from bench.measuring import Measured
from bench.tables import spread, table

BASELINE, PRODUCT = "baseline", "orderapp"
PARTS = ("web", "worker", "timer", "database", "broker")
RATES = ("answers after", "clients", "", "submitted /s", "all done /s", "all done, x baseline", "turned away")
TIMES = ("answers after", "clients", "", "p50 ms", "p95 ms", "p99 ms", "p50, x baseline", "p95", "p99")
COSTS = (
    "answers after",
    "clients",
    "",
    "processor ms",
    "processor, x baseline",
    "writing commits",
    "statements",
    "BEGIN, COMMIT, ROLLBACK",
    "memory MB",
    "x baseline",
    "processors used by others",
)
# What a machine does beside by itself; from about here on ratios of one round differ from the next one's.
QUIET_PROCESSORS = 0.2
Figure = Callable[[Measured], float | None]


def markdown(measured: Sequence[Measured]) -> str:
    """Return the tables of rates, times and costs in all cells, and what used the processor in the busiest one."""
    cells = list(dict.fromkeys(one.cell for one in measured))
    names = list(dict.fromkeys(one.contestant for one in sorted(measured, key=_baseline_first)))
    rows = [partial(_of, measured, cell, name) for cell in cells for name in names]
    busiest = HEADLINE if HEADLINE in cells else cells[-1]
    return "\n\n".join(
        (
            table(RATES, [_rates(runs(), measured) for runs in rows]),
            "Submissions of confirmed orders:",
            table(TIMES, [_times(runs(), measured) for runs in rows]),
            "What an order costs:",
            table(COSTS, [_costs(runs(), measured) for runs in rows]),
            f"Processor ms per order by what used it ({busiest}):",
            table(("", *PARTS, "all"), [_parts(_of(measured, busiest, name)) for name in names]),
            f"Memory by what holds it, MB ({busiest}):",
            table(("", *PARTS[:3]), [_memory(_of(measured, busiest, name)) for name in names]),
            *_against_others(measured, cells, names),
        )
    )


def ratios(
    measured: Sequence[Measured], cell: Cell, what: Figure, of: str = PRODUCT, to: str = BASELINE
) -> list[float]:
    """Return one contestant's value divided by another's, for each round in which both were measured."""
    pairs = zip(_of(measured, cell, of), _of(measured, cell, to), strict=False)
    figures = [(what(ours), what(theirs)) for ours, theirs in pairs]
    return [ours / theirs for ours, theirs in figures if ours is not None and theirs]


def disturbance(measured: Sequence[Measured]) -> str:
    """Return a warning if other programs were busy, as a sentence; empty if they weren't."""
    busy = median(one.other_processors for one in measured)
    if busy <= QUIET_PROCESSORS:
        return ""
    return (
        f"**Programs of others kept {busy:.1f} processors busy (median), so rates and times say little, and ratios "
        "less than they would; statements and commits hold.**"
    )


def processor_ms(one: Measured) -> float:
    """Return the processor time per order of everything together."""
    return sum(one.processor_ms.values())


def submit_ms(share: str) -> Figure:
    """Return a function that reads a percentile (`p50`, `p95`, `p99`) of the submissions."""
    return lambda one: one.submit_ms[share]


def done_per_second(one: Measured) -> float:
    """Return how many orders were completely done per second."""
    return one.done_per_second


def _rates(runs: list[Measured], measured: Sequence[Measured]) -> list[str]:
    return [
        *_title(runs[0]),
        spread(one.submitted_per_second for one in runs),
        spread(map(done_per_second, runs)),
        f"**{_x(runs[0], measured, done_per_second, 2)}**",
        _turned_away(runs),
    ]


def _turned_away(runs: Sequence[Measured]) -> str:
    reasons = sum((Counter(one.turned_away) for one in runs), Counter[str]())
    return ", ".join(f"{count} ({reason})" for reason, count in reasons.items()) or "0"


def _times(runs: list[Measured], measured: Sequence[Measured]) -> list[str]:
    shares = runs[0].submit_ms
    return [
        *_title(runs[0]),
        *(spread(one.submit_ms[share] for one in runs) for share in shares),
        *(_x(runs[0], measured, submit_ms(share), 1) for share in shares),
    ]


def _costs(runs: list[Measured], measured: Sequence[Measured]) -> list[str]:
    works = [one.work for one in runs if one.work]
    return [
        *_title(runs[0]),
        spread(map(processor_ms, runs), 1),
        _x(runs[0], measured, processor_ms, 1),
        spread((one.writing_commits for one in works), 2),
        spread((one.statements for one in works), 1),
        spread((one.brackets for one in works), 1),
        spread(map(_memory_mb, runs)),
        _x(runs[0], measured, _memory_mb, 1),
        spread((one.other_processors for one in runs), 1),
    ]


def _parts(runs: list[Measured]) -> list[str]:
    parts = [spread((_sum(one.processor_ms, part) for one in runs), 1) for part in PARTS]
    return [runs[0].contestant, *parts, spread(map(processor_ms, runs), 1)]


def _memory(runs: list[Measured]) -> list[str]:
    return [runs[0].contestant, *(spread(_sum(one.memory_mb, part) for one in runs) for part in PARTS[:3])]


def _against_others(measured: Sequence[Measured], cells: Iterable[Cell], names: Sequence[str]) -> list[str]:
    """Return the product beside contestants other than the baseline, where there are some."""
    others = [name for name in names if name not in (BASELINE, PRODUCT)]
    rows = [
        [
            str(cell),
            name,
            spread(ratios(measured, cell, done_per_second, to=name), 2),
            spread(ratios(measured, cell, processor_ms, to=name), 2),
            spread(ratios(measured, cell, submit_ms("p99"), to=name), 2),
        ]
        for cell in cells
        for name in others
    ]
    head = ("", "beside", "all done, x that", "processor, x that", "p99, x that")
    return [f"{PRODUCT} beside others, in the same round:", table(head, rows)] if rows else []


def _x(one: Measured, measured: Sequence[Measured], what: Figure, digits: int) -> str:
    return "1" if one.contestant == BASELINE else spread(ratios(measured, one.cell, what, of=one.contestant), digits)


def _title(one: Measured) -> list[str]:
    return [f"{one.cell.delay_ms} ms", str(one.cell.clients), one.contestant]


def _memory_mb(one: Measured) -> float:
    return sum(one.memory_mb.values())


def _sum(by_program: dict[str, float], part: str) -> float:
    """Return what all programs of a kind have; of several workers each has a number behind its name."""
    return sum(value for name, value in by_program.items() if name.partition("-")[0] == part)


def _of(measured: Iterable[Measured], cell: Cell, name: str) -> list[Measured]:
    return [one for one in measured if one.cell == cell and one.contestant == name]


def _baseline_first(one: Measured) -> bool:
    return one.contestant != BASELINE
