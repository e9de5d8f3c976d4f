"""Decisions about tasks: every branch, and the bounds of every delay."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.outcome import Answer, Outcome
from orderapp.domain.retry import (
    LONGEST_PENDING_PAUSE_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    PENDING_POLL_SECONDS,
    Backoff,
    Decision,
    Guarantee,
    Used,
    Verdict,
    decide,
)

BACKOFF = Backoff(base_seconds=2, max_seconds=60, attempts=5)
NOT_SENT, UNKNOWN = Answer(Outcome.NOT_SENT, "http_429"), Answer(Outcome.UNKNOWN, "timeout", "gave no answer in time")
DONE, REFUSED = Answer(Outcome.DONE), Answer(Outcome.REFUSED, "out_of_stock")


def decided(
    answer: Answer,
    attempts: int = 1,
    limit: int = 5,
    guarantee: Guarantee = Guarantee.IDEMPOTENT,
    seed: int = 1,
    pending_answers: int = 0,
) -> Decision:
    return decide(answer, Used(attempts, limit, pending_answers), BACKOFF, guarantee, random.Random(seed))


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
    [(600, 600), (10**12, MAX_RETRY_AFTER_SECONDS)],
)
def test_what_is_pending_is_asked_for_again_when_the_system_says_so(asked_seconds: float, delay_seconds: float) -> None:
    answer = replace(DONE, pending=True, retry_after_seconds=asked_seconds)
    assert decided(answer) == Decision(Verdict.SNOOZE, delay_seconds, answer.message)


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.sampled_from([None, 0.0, 0.5]))
def test_what_stays_pending_is_asked_for_less_and_less_often_whatever_the_system_asks_for(
    seed: int, pending_answers: int, asked_seconds: float | None
) -> None:
    answer = replace(DONE, pending=True, retry_after_seconds=asked_seconds)
    delay = decided(answer, seed=seed, pending_answers=pending_answers).delay_seconds
    longest = min(LONGEST_PENDING_PAUSE_SECONDS, PENDING_POLL_SECONDS * 1.5 ** min(pending_answers, 40))
    assert longest / 2 <= delay <= longest


def test_an_hour_of_waiting_is_some_twenty_questions_and_a_day_some_forty_more() -> None:
    def questions(within_seconds: float) -> int:
        waited, asked = 0.0, 0
        while waited < within_seconds:
            waited += decided(replace(DONE, pending=True), seed=asked, pending_answers=asked).delay_seconds
            asked += 1
        return asked

    assert 14 <= questions(3600) <= 20
    assert 35 <= questions(86_400) <= 65


def test_a_late_window_of_ours_is_waited_for_exactly_however_long_the_task_was_pending_before() -> None:
    answer = replace(UNKNOWN, pending=True, retry_after_seconds=10.0)
    assert decided(answer, pending_answers=30).delay_seconds == 10.0


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
