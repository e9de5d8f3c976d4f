"""Markdown tables, and a figure's median with its range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

NOT_MEASURED = "not measured"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def spread(values: Iterable[float | None], digits: int = 0) -> str:
    """Return the median, and least and most where there are several; or that it was not measured."""
    found = sorted(value for value in values if value is not None)
    if not found:
        return NOT_MEASURED
    middle, least, most = (f"{value:.{digits}f}" for value in (median(found), found[0], found[-1]))
    return middle if len(found) == 1 else f"{middle} [{least}-{most}]"
