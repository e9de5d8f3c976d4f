"""Decisions about tasks: every branch, and the bounds of every delay."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import (
    MAX_RETRY_AFTER_SECONDS,
    PENDING_POLL_SECONDS,
    Backoff,
    Decision,
    Guarantee,
    Verdict,
    decide,
)

BACKOFF = Backoff(base_seconds=2, max_seconds=60, attempts=5)
NOT_SENT, UNKNOWN = Answer(Outcome.NOT_SENT, "http_429"), Answer(Outcome.UNKNOWN, "timeout", "gave no answer in time")
DONE, REFUSED = Answer(Outcome.DONE), Answer(Outcome.REFUSED, "out_of_stock")


def decided(
    answer: Answer, attempts: int = 1, limit: int = 5, guarantee: Guarantee = Guarantee.IDEMPOTENT, seed: int = 1
) -> Decision:
    return decide(answer, attempts, limit, BACKOFF, guarantee, random.Random(seed))


@pytest.mark.parametrize("guarantee", Guarantee)
@pytest.mark.parametrize(
    ("answer", "attempts", "verdict"),
    [
        (DONE, 1, Verdict.DONE),
        (DONE, 99, Verdict.DONE),
        (REFUSED, 1, Verdict.STAFF),
        (replace(REFUSED, repeatable=False), 1, Verdict.STAFF),
        (replace(NOT_SENT, repeatable=False), 1, Verdict.STAFF),
        (NOT_SENT, 1, Verdict.RETRY),
        (NOT_SENT, 4, Verdict.RETRY),
        (NOT_SENT, 5, Verdict.STAFF),
        (NOT_SENT, 6, Verdict.STAFF),
        (replace(DONE, pending=True), 99, Verdict.SNOOZE),
        (replace(UNKNOWN, pending=True), 99, Verdict.SNOOZE),
    ],
)
def test_what_becomes_of_a_task_whatever_its_system_declares(
    answer: Answer, attempts: int, verdict: Verdict, guarantee: Guarantee
) -> None:
    assert decided(answer, attempts, guarantee=guarantee).verdict is verdict


@pytest.mark.parametrize(
    ("guarantee", "verdict"),
    [
        (Guarantee.IDEMPOTENT, Verdict.RETRY),
        (Guarantee.QUERY_FIRST, Verdict.RETRY),
        (Guarantee.UNSAFE, Verdict.STAFF),
    ],
)
def test_an_unknown_outcome_of_an_unsafe_system_is_for_people(guarantee: Guarantee, verdict: Verdict) -> None:
    assert decided(UNKNOWN, guarantee=guarantee).verdict is verdict


@pytest.mark.parametrize(
    ("answer", "attempts", "guarantee", "reason"),
    [
        (REFUSED, 1, Guarantee.IDEMPOTENT, "refused: out_of_stock"),
        (replace(NOT_SENT, repeatable=False), 1, Guarantee.IDEMPOTENT, "can't succeed as it is: http_429"),
        (UNKNOWN, 1, Guarantee.UNSAFE, "may have happened, and repeating it could do it twice: gave no answer in time"),
        (UNKNOWN, 5, Guarantee.IDEMPOTENT, "5 attempts used up; last: gave no answer in time"),
    ],
)
def test_staff_read_why_they_have_it(answer: Answer, attempts: int, guarantee: Guarantee, reason: str) -> None:
    assert decided(answer, attempts, guarantee=guarantee) == Decision(Verdict.STAFF, reason=reason)


@pytest.mark.parametrize(
    ("asked_seconds", "delay_seconds"),
    [(None, PENDING_POLL_SECONDS), (0.5, 0.5), (600, 600), (10**12, MAX_RETRY_AFTER_SECONDS)],
)
def test_what_is_pending_is_asked_for_again_when_the_system_says_so(
    asked_seconds: float | None, delay_seconds: float
) -> None:
    answer = replace(DONE, pending=True, retry_after_seconds=asked_seconds)
    assert decided(answer) == Decision(Verdict.SNOOZE, delay_seconds, answer.message)


@given(st.integers(0, 10**9), st.integers(1, 4), st.floats(0, 10**15))
def test_a_system_is_not_called_before_the_time_it_asked_for_nor_parked_for_ever(
    seed: int, attempts: int, asked_seconds: float
) -> None:
    delay = decided(replace(NOT_SENT, retry_after_seconds=asked_seconds), attempts, seed=seed).delay_seconds
    assert min(asked_seconds, MAX_RETRY_AFTER_SECONDS) <= delay <= MAX_RETRY_AFTER_SECONDS


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_jitter_stays_under_the_exponential_cap(seed: int, attempt: int) -> None:
    delay = BACKOFF.delay_seconds(attempt, random.Random(seed))
    assert 0 <= delay <= min(BACKOFF.max_seconds, BACKOFF.base_seconds * 2 ** min(attempt - 1, 40))


def test_jitter_is_full_it_spreads_over_the_whole_range() -> None:
    rng = random.Random(7)
    delays = [BACKOFF.delay_seconds(4, rng) for _ in range(2000)]  # up to 16 s
    shares = [sum(low <= delay < low + 4 for delay in delays) / 2000 for low in (0, 4, 8, 12)]
    assert all(0.2 < share < 0.3 for share in shares)
