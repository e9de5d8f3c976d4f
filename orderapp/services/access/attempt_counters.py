"""Counters of attempts, in the database, so that all threads, processes and hosts share them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, case, delete, literal, select, true, update

from orderapp.errors import TooManyAttempts
from orderapp.models import RateCounter, db_now, seconds_until, table_of
from orderapp.services.db.json_rows import columns_of, rows_of
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import proposed, upsert
from orderapp.services.db.write_plan import Before

TOO_MANY = "There were too many attempts. Nothing was done; try again later."

# Built once, on the table; callers add a condition for their buckets.
_COUNTERS = table_of(RateCounter).c
COUNTED = select(
    _COUNTERS.bucket,
    _COUNTERS["count"].label("attempts"),
    seconds_until(_COUNTERS.window_ends_at).label("left_seconds"),
).where(_COUNTERS.window_ends_at > db_now())

_OVER = RateCounter.window_ends_at <= db_now()
_FURTHER = {
    "count": case((_OVER, 1), else_=RateCounter.count + 1),
    "window_ends_at": case((_OVER, proposed(RateCounter.window_ends_at)), else_=RateCounter.window_ends_at),
}
_FURTHER_OF_MOST = {**_FURTHER, "most": proposed(RateCounter.most)}
MOST_CONSTRAINT = "ck_rate_counters_count_within_most"


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many attempts a window allows, and the name of their counter."""

    bucket: str
    most: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The count of a bucket in its present window, and how long the window still lasts."""

    bucket: str
    attempts: int
    left_seconds: float


def count(bucket_parts: Sequence[str | int], limit: int, window_seconds: int) -> None:
    """Count one attempt; a window begins with its first. Transaction: as for `tally`.

    Args:
        bucket_parts: What is counted and for whom; only a hash is stored.
        limit: How many attempts a window allows, 1 or more.
        window_seconds: How long a window is, 1 or more.

    Raises:
        TooManyAttempts: this attempt is over the limit.
    """
    counted = tally(bucket_parts, window_seconds)
    if counted.attempts > limit:
        raise TooManyAttempts(TOO_MANY, whole_seconds(counted.left_seconds))


def tally(bucket_parts: Sequence[str | int], window_seconds: int) -> Counted:
    """Count one attempt, and return how many there are now.

    Transaction: one, committed here: a single statement, so that no attempt is lost if several come at the same time.
    """
    bucket = bucket_of(bucket_parts)
    with writing() as session:
        first = {"bucket": bucket, "window_ends_at": db_now(window_seconds), "count": 1}
        counting = upsert(session, RateCounter, first, _FURTHER, unique="bucket")
        row = session.execute(counting.returning(RateCounter.count, seconds_until(RateCounter.window_ends_at))).one()
    return Counted(bucket, *row)


def longest_used_up(limits: Mapping[str, int], counted: Iterable[Counted]) -> float | None:
    """Return how many seconds the longest used-up window still lasts; None if no window is used up.

    Args:
        limits: How many attempts a window allows, by bucket; other buckets are ignored.
        counted: The counts of the buckets.
    """
    used_up = (one.left_seconds for one in counted if one.attempts >= limits.get(one.bucket, math.inf))
    return max(used_up, default=None)


def using_up(before: Before) -> Any:
    """Return the write that counts one attempt on each allowance of the list `allowances`, in the list's order.

    It violates MOST_CONSTRAINT if one of them is used up.
    """
    columns = {**columns_of(table_of(RateCounter), ("bucket", "most")), "window_seconds": Float()}
    given = rows_of(before.dialect_name, "allowances", columns)
    # "where true", because without it SQLite parses ON CONFLICT as a part of the join.
    rows = select(given.c.bucket, given.c.most, db_now(given.c.window_seconds), literal(1)).where(true())
    if "cart" in before:
        rows = rows.join_from(given, before["cart"], true())
    names = ("bucket", "most", "window_ends_at", "count")
    counting = upsert(before.dialect_name, RateCounter, (names, rows), _FURTHER_OF_MOST, unique="bucket")
    return counting.returning(table_of(RateCounter).c.bucket)


def forget(bucket_parts: Sequence[str | int]) -> int:
    """Reset a counter; return its last count. Transaction: one, committed here."""
    counter = delete(RateCounter).where(RateCounter.bucket == bucket_of(bucket_parts))
    with writing() as session:
        return session.execute(counter.returning(RateCounter.count)).scalar_one_or_none() or 0


def take_back(bucket_parts: Sequence[str | int], attempts: int) -> None:
    """Subtract a number of attempts. Transaction: one, committed here."""
    left = case((RateCounter.count > attempts, RateCounter.count - attempts), else_=0)
    with writing() as session:
        session.execute(update(RateCounter).where(RateCounter.bucket == bucket_of(bucket_parts)).values(count=left))


def bucket_of(bucket_parts: Sequence[str | int]) -> str:
    """Return the name of a counter: a hash, so that the table contains no personal data."""
    return hashlib.sha256(json.dumps(list(bucket_parts)).encode()).hexdigest()


def whole_seconds(left_seconds: float) -> int:
    """Return how long to wait, for texts and for Retry-After: 1 or more."""
    return max(1, math.ceil(left_seconds))
