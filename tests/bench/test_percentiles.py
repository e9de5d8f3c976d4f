"""Percentiles are times that somebody waited, by the nearest rank."""

from __future__ import annotations

import pytest

from bench.percentiles import percentile, percentiles


@pytest.mark.parametrize(("share", "expected"), [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_of_a_hundred_it_is_the_one_with_that_rank(share: int, expected: int) -> None:
    assert percentile(range(100, 0, -1), share) == expected


def test_of_few_the_highest_shares_are_the_longest() -> None:
    assert percentiles([3.0, 1.0, 2.0]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0}


def test_of_none_it_is_zero() -> None:
    assert percentiles([]) == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
