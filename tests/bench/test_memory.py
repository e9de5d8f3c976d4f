"""What grew is told by the first and the last sample."""

from __future__ import annotations

import pytest

from bench.memory import Sample, growth, memory_markdown
from bench.orders_wanted import orders_wanted

SAMPLES = [Sample(1_000, {"web": 50.0, "web-1": 80.0}, []), Sample(100_000, {"web": 50.0, "web-1": 84.0}, [])]


def test_growth_is_the_last_in_terms_of_the_first() -> None:
    assert growth(SAMPLES) == {"web": 1.0, "web-1": pytest.approx(1.05)}
    assert "| last : first | **1.00** | **1.05** |" in memory_markdown(SAMPLES)


def test_a_process_that_is_gone_has_no_growth() -> None:
    assert growth([SAMPLES[0], Sample(100_000, {"web": 50.0}, [])]) == {"web": 1.0}


def test_wrong_effects_are_told() -> None:
    assert "2 effects" in memory_markdown([*SAMPLES, Sample(100_001, {}, ["coupon has 2 effects"])])


@pytest.mark.parametrize("raw", ["-1", "9", "1000001", "many", "²", "1e5"])
def test_orders_that_are_no_number_in_range_are_refused(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    monkeypatch.setenv("BENCH_ORDERS", raw)
    with pytest.raises(SystemExit, match="is not a number from 10 to 1000000"):
        orders_wanted(600, least=10)


@pytest.mark.parametrize(("raw", "expected"), [("", 600), ("10", 10), ("1000000", 1_000_000)])
def test_orders_are_what_is_said_or_the_default(monkeypatch: pytest.MonkeyPatch, raw: str, expected: int) -> None:
    monkeypatch.setenv("BENCH_ORDERS", raw)
    assert orders_wanted(600, least=10) == expected
