"""How each system has answered of late: outcomes, share of successes, latency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import literal, select, union_all
from sqlalchemy.orm import Session

from orderapp.domain.outcome import Outcome
from orderapp.models import Attempt
from orderapp.services.backoffice.healing_times import percentile

RECENT_ATTEMPTS = 100  # per system: some minutes of a busy day, enough to see a trend
LEAST_ATTEMPTS = 20  # below this a rate is noise


@dataclass(frozen=True, slots=True)
class RecentCalls:
    """A system's newest attempts. Rates and latencies are None for fewer than LEAST_ATTEMPTS."""

    outcomes: Mapping[str, int]  # how many ended with each outcome
    success_rate: float | None = None  # the share that was done, 0.0 to 1.0
    p50_ms: float | None = None
    p95_ms: float | None = None


def recent_calls(session: Session, systems: Iterable[str]) -> dict[str, RecentCalls]:
    """Return the newest RECENT_ATTEMPTS of each system, at least one. Transaction: within the caller's."""
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in systems}
    parts = []
    for name in found:
        newest = (
            select(Attempt.outcome, Attempt.duration_ms)
            .where(Attempt.system == name)
            .order_by(Attempt.started_at.desc())
            .limit(RECENT_ATTEMPTS)
            .subquery()
        )
        parts.append(select(literal(name), newest.c.outcome, newest.c.duration_ms))
    for name, outcome, duration_ms in session.execute(union_all(*parts)):
        found[name].append((outcome, duration_ms))
    return {name: _summed(attempts) for name, attempts in found.items()}


def _summed(attempts: list[tuple[str, int]]) -> RecentCalls:
    outcomes = Counter(outcome for outcome, _ in attempts)
    if len(attempts) < LEAST_ATTEMPTS:
        return RecentCalls(outcomes)
    durations = sorted(float(duration_ms) for _, duration_ms in attempts)
    return RecentCalls(
        outcomes,
        outcomes[Outcome.DONE.value] / len(attempts),
        percentile(durations, 0.5, LEAST_ATTEMPTS),
        percentile(durations, 0.95, LEAST_ATTEMPTS),
    )
