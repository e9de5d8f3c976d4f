"""Counters of attempts, in the database: the same for all threads, processes and hosts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, delete, select

from orderapp.errors import TooManyAttempts
from orderapp.models import RateCounter, db_now, seconds_until, table_of
from orderapp.services.database import writing
from orderapp.services.upserts import proposed, upsert

TOO_MANY = "There were too many attempts. Nothing was done; try again later."

# Built once, on the table; to be narrowed to buckets.
_COUNTERS = table_of(RateCounter).c
COUNTED = select(
    _COUNTERS.bucket,
    _COUNTERS["count"].label("attempts"),
    seconds_until(_COUNTERS.window_ends_at).label("left_seconds"),
).where(_COUNTERS.window_ends_at > db_now())


@dataclass(frozen=True, slots=True)
class Counted:
    """What a bucket has counted in its present window, and how long that still lasts."""

    bucket: str
    attempts: int
    left_seconds: float


def count(bucket_parts: Sequence[str | int], limit: int, window_seconds: int) -> None:
    """Count one attempt; a window begins with its first.

    Transaction: one, committed here: a single statement, so that of attempts at the same moment none is lost.

    Args:
        bucket_parts: What is counted and for whom; only their hash is stored.
        limit: How many attempts a window allows, 1 or more.
        window_seconds: How long a window is, 1 or more.

    Raises:
        TooManyAttempts: it was one more than allowed.

    """
    with writing() as session:
        first = {"bucket": bucket_of(bucket_parts), "window_ends_at": db_now(window_seconds), "count": 1}
        over = RateCounter.window_ends_at <= db_now()
        further = {
            "count": case((over, 1), else_=RateCounter.count + 1),
            "window_ends_at": case((over, proposed(RateCounter.window_ends_at)), else_=RateCounter.window_ends_at),
        }
        attempts, left_seconds = session.execute(
            upsert(session, RateCounter, first, further, unique="bucket").returning(
                RateCounter.count, seconds_until(RateCounter.window_ends_at)
            )
        ).one()
    if attempts > limit:
        raise _too_many(left_seconds)


def refuse_if_used_up(limits: Mapping[str, int], counted: Iterable[Counted]) -> None:
    """Raise TooManyAttempts if the present window of one bucket allows no further attempt; counts nothing.

    Args:
        limits: How many attempts a window allows, by bucket.
        counted: What the buckets have counted.

    """
    left = [one.left_seconds for one in counted if one.attempts >= limits[one.bucket]]
    if left:
        raise _too_many(max(left))


def forget(bucket_parts: Sequence[str | int]) -> None:
    """Begin to count anew. Transaction: one, committed here."""
    with writing() as session:
        session.execute(delete(RateCounter).where(RateCounter.bucket == bucket_of(bucket_parts)))


def bucket_of(bucket_parts: Sequence[str | int]) -> str:
    """Return the name under which attempts are counted: a hash, so that the table names nobody."""
    return hashlib.sha256(json.dumps(list(bucket_parts)).encode()).hexdigest()


def _too_many(left_seconds: float) -> TooManyAttempts:
    return TooManyAttempts(TOO_MANY, max(1, math.ceil(left_seconds)))
