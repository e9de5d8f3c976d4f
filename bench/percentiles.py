"""Percentiles by the nearest rank, so each is a time that was really measured."""

from __future__ import annotations

from collections.abc import Iterable

SHARES = (50, 95, 99)


def percentile(values: Iterable[float], share: int) -> float:
    """Return the smallest value that at least `share` (1 to 100) of a hundred don't exceed; 0 where there are none."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * share // 100) - 1] if ordered else 0.0


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """Return the 50th, 95th and 99th of a hundred as `p50`, `p95` and `p99`."""
    ordered = sorted(values)
    return {f"p{share}": percentile(ordered, share) for share in SHARES}
