"""When to try a task again: a decision computed without I/O.

While the customer waits, `placing.blocking_calls` repeats a call as its system declares (`systems.base.Repeats`).
Backoff is exponential with full jitter and a cap (AWS Architecture Blog, "Exponential Backoff And Jitter").
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from orderapp.domain.outcome import Answer, Outcome

# How long after "accepted, finishing later" to ask again: short at first, so that the customer's page shows the result
# soon. Growing by half each time, it makes fifteen questions in the first hour; then the pause stays at about an hour.
PENDING_POLL_SECONDS = 3.0
PENDING_GROWTH = 1.5
LONGEST_PENDING_PAUSE_SECONDS = 3600.0
# The longest Retry-After that we follow; staff can still notice a task that waits for a day.
MAX_RETRY_AFTER_SECONDS = 86_400.0
# If a system refuses all our calls, its tasks wait for its circuit. If circuits are switched off, a try per minute is
# enough, because a person must correct the settings.
LOCKED_OUT_SECONDS = 60.0


class Guarantee(StrEnum):
    """What a system declares about doing the same thing twice."""

    IDEMPOTENT = "idempotent"  # the same key again has no second effect
    QUERY_FIRST = "query_first"  # repeats double the effect, but the system can be asked what is in place
    UNSAFE = "unsafe"  # repeats double the effect and nobody can be asked


class Verdict(StrEnum):
    """What happens to a task after an attempt."""

    DONE = "done"
    SNOOZE = "snooze"  # later, without using up an attempt
    RETRY = "retry"  # later
    STAFF = "staff"  # staff must decide


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between a task's attempts. All values are positive; `base_seconds` is at most `max_seconds`."""

    base_seconds: float  # the longest first pause; it doubles with each attempt
    max_seconds: float  # the longest pause of all
    attempts: int  # how many attempts there are before staff take over

    def delay_seconds(self, attempt: int, rng: random.Random) -> float:
        """Return how long to wait after attempt number `attempt` (from 1): full jitter under an exponential cap."""
        # 2**40 s is above every cap; the bound keeps the power small for tasks that are requeued for years.
        return rng.uniform(0, min(self.max_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 40)))


@dataclass(frozen=True, slots=True)
class Used:
    """What a task has used up: its attempts including this one, and the limit after which staff take over.

    `pending_answers` is how often the answer was "accepted, finishing later" before.
    """

    attempts: int
    attempt_limit: int
    pending_answers: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with the task now; `delay_seconds` counts for snooze and retry, `reason` is for staff."""

    verdict: Verdict
    delay_seconds: float = 0.0
    reason: str = ""


def decide(answer: Answer, used: Used, backoff: Backoff, guarantee: Guarantee, rng: random.Random) -> Decision:
    """Decide about a task after an attempt.

    Args:
        answer: The result of the attempt.
        used: What the task has used up.
        backoff: The backoff of the task's system.
        guarantee: What the system declares about repeats.
        rng: The source of jitter.
    """
    if answer.pending:
        return Decision(Verdict.SNOOZE, _pending_seconds(answer, used.pending_answers, rng), answer.message)
    if answer.outcome is Outcome.DONE:
        return Decision(Verdict.DONE)
    reason = answer.message or answer.code
    if answer.locked_out:
        return Decision(Verdict.SNOOZE, LOCKED_OUT_SECONDS, f"waits, and uses up no attempt: the system {reason}")
    if answer.outcome is Outcome.REFUSED:
        return Decision(Verdict.STAFF, reason=f"refused: {reason}")
    if not answer.repeatable:
        return Decision(Verdict.STAFF, reason=f"can't succeed as it is: {reason}")
    if answer.outcome is Outcome.UNKNOWN and guarantee is Guarantee.UNSAFE:
        return Decision(Verdict.STAFF, reason=f"may have happened, and repeating it could do it twice: {reason}")
    if used.attempts >= used.attempt_limit:
        return Decision(Verdict.STAFF, reason=f"{used.attempts} attempts used up; last: {reason}")
    asked = min(answer.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    return Decision(Verdict.RETRY, max(asked, backoff.delay_seconds(used.attempts, rng)), reason)


def _pending_seconds(answer: Answer, pending_answers: int, rng: random.Random) -> float:
    """Return how long to wait before asking again: at least as long as the system asked for, and longer each time.

    The upper half is random, so that tasks which began to wait together don't ask together.
    """
    asked = min(answer.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    if answer.outcome is not Outcome.DONE and answer.retry_after_seconds is not None:
        return asked  # our own late window, which ends by itself
    # 1.5**40 is above the cap; the bound keeps the power small for tasks that wait for years.
    grown = PENDING_POLL_SECONDS * PENDING_GROWTH ** min(pending_answers, 40)
    longest = min(LONGEST_PENDING_PAUSE_SECONDS, grown)
    return max(asked, rng.uniform(longest / 2, longest))
