"""Ratios compare runs of the same round, and what wasn't measured is said to be so."""

from __future__ import annotations

from dataclasses import replace

from bench.cells import CELLS, HEADLINE, WARM_UP, orders_in
from bench.database_work import DatabaseWork
from bench.measuring import Measured
from bench.report import disturbance, done_per_second, markdown, processor_ms, ratios

RUN = Measured(
    contestant="baseline",
    cell=HEADLINE,
    orders=600,
    confirmed=600,
    turned_away={},
    submitted_per_second=100.0,
    done_per_second=100.0,
    submit_ms={"p50": 10.0, "p95": 20.0, "p99": 30.0},
    processor_ms={"web": 8.0, "database": 2.0},
    memory_mb={"web": 100.0},
    work=DatabaseWork(2.0, 4.0, 4.0),
    other_processors=0.0,
    wrong=[],
    repeats=0,
)
OURS = replace(RUN, contestant="orderapp", processor_ms={"web": 10.0, "worker-1": 5.0, "worker-2": 5.0})


def test_a_ratio_is_to_the_same_round() -> None:
    # The second round's machine is twice as fast; the ratio doesn't see it.
    runs = [RUN, replace(OURS, done_per_second=50.0)]
    runs += [replace(OURS, done_per_second=100.0), replace(RUN, done_per_second=200.0)]
    assert ratios(runs, HEADLINE, done_per_second) == [0.5, 0.5]
    assert ratios(runs, HEADLINE, processor_ms) == [2.0, 2.0]


def test_workers_of_one_kind_are_one_column() -> None:
    assert "| orderapp | 10.0 | 10.0 | 0.0 | 0.0 | 0.0 | 20.0 |" in markdown([RUN, OURS])


def test_what_nobody_counts_is_not_measured() -> None:
    assert "not measured" in markdown([RUN, replace(OURS, work=None)])
    assert "not measured" in markdown([RUN, replace(OURS, work=DatabaseWork(6.0, None, None))])


def test_a_third_contestant_gets_a_table_of_its_own() -> None:
    celery = replace(RUN, contestant="celery", done_per_second=50.0)
    assert "| 0 ms, 16 clients | celery | 2.00 |" in markdown([RUN, OURS, celery])
    assert "beside others" not in markdown([RUN, OURS])


def test_each_cell_has_orders_enough_for_its_clients() -> None:
    assert all(orders_in(cell, 600) >= 4 * cell.clients for cell in [*CELLS, *WARM_UP])


def test_work_is_counted_per_order() -> None:
    after, before = DatabaseWork(700.0, 1_800.0, None), DatabaseWork(100.0, 200.0, 50.0)
    assert after.per_order(before, 100) == DatabaseWork(6.0, 16.0, None)


def test_who_was_turned_away_is_told_with_the_reason() -> None:
    refused = [replace(OURS, confirmed=598, turned_away={"503 overloaded": 2}), OURS]
    assert "| 2 (503 overloaded) |" in markdown([RUN, RUN, *refused])


def test_a_disturbed_machine_is_told() -> None:
    assert disturbance([RUN, OURS]) == ""
    busy = [replace(RUN, other_processors=share) for share in (0.0, 0.7, 1.9)]
    assert "kept 0.7 processors busy" in disturbance(busy)
