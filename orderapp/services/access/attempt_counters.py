"""Counters of attempts, in the database: the same for all threads, processes and hosts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

from sqlalchemy import ColumnElement, Float, bindparam, case, delete, literal, select, update
from sqlalchemy.orm import Session

from orderapp.errors import TooManyAttempts
from orderapp.models import RateCounter, db_now, seconds_until, table_of
from orderapp.services.db.json_rows import rows_of
from orderapp.services.db.transactions import writing
from orderapp.services.db.upserts import Insert, proposed, upsert

TOO_MANY = "There were too many attempts. Nothing was done; try again later."

# Built once, on the table; to be narrowed to buckets.
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
    """How many of something a window allows, under the name of its counter."""

    bucket: str
    most: int
    window_seconds: int


@dataclass(frozen=True, slots=True)
class Counted:
    """What a bucket has counted in its present window, and how long that still lasts."""

    bucket: str
    attempts: int
    left_seconds: float


def count(bucket_parts: Sequence[str | int], limit: int, window_seconds: int) -> None:
    """Count one attempt; a window begins with its first. Transaction: as for `tally`.

    Args:
        bucket_parts: What is counted and for whom; only their hash is stored.
        limit: How many attempts a window allows, 1 or more.
        window_seconds: How long a window is, 1 or more.

    Raises:
        TooManyAttempts: it was one more than allowed.

    """
    counted = tally(bucket_parts, window_seconds)
    if counted.attempts > limit:
        raise TooManyAttempts(TOO_MANY, whole_seconds(counted.left_seconds))


def tally(bucket_parts: Sequence[str | int], window_seconds: int) -> Counted:
    """Count one attempt, and return how many there are now.

    Transaction: one, committed here: a single statement, so that of attempts at the same moment none is lost.
    """
    bucket = bucket_of(bucket_parts)
    with writing() as session:
        first = {"bucket": bucket, "window_ends_at": db_now(window_seconds), "count": 1}
        counting = upsert(session, RateCounter, first, _FURTHER, unique="bucket")
        row = session.execute(counting.returning(RateCounter.count, seconds_until(RateCounter.window_ends_at))).one()
    return Counted(bucket, *row)


def longest_used_up(limits: Mapping[str, int], counted: Iterable[Counted]) -> float | None:
    """Return how many seconds the longest window lasts that allows no further attempt; None where all allow one.

    Args:
        limits: How many attempts a window allows, by bucket; others are left out.
        counted: What the buckets have counted.

    """
    used_up = (one.left_seconds for one in counted if one.attempts >= limits.get(one.bucket, math.inf))
    return max(used_up, default=None)


def use_up(session: Session, allowances: Sequence[Allowance]) -> None:
    """Count one on each allowance. Transaction: within the caller's.

    Raises:
        sqlalchemy.exc.IntegrityError: MOST_CONSTRAINT, one allowed no more; the caller's transaction has failed.

    """
    if allowances:
        session.connection().execute(_using_up(session.get_bind().dialect.name), [asdict(one) for one in allowances])


def using_up_given(where: ColumnElement[bool] | None) -> Insert:
    """Return the same as a part of a greater statement (PostgreSQL only).

    Its parameter is `allowances`, as `as_json` makes it, in the order of the buckets.

    Args:
        where: Whether anything is counted at all.

    """
    given = rows_of("allowances", table_of(RateCounter), ("bucket", "most"), further={"window_seconds": Float()})
    rows = select(given.c.bucket, given.c.most, db_now(given.c.window_seconds).label("window_ends_at"), literal(1))
    chosen = rows if where is None else rows.where(where)
    names = ("bucket", "most", "window_ends_at", "count")
    return upsert("postgresql", RateCounter, (names, chosen), _FURTHER_OF_MOST, unique="bucket")


@cache
def _using_up(dialect_name: str) -> Insert:
    first = {
        "bucket": bindparam("bucket"),
        "most": bindparam("most"),
        "window_ends_at": db_now(bindparam("window_seconds", type_=Float)),
        "count": 1,
    }
    return upsert(dialect_name, RateCounter, first, _FURTHER_OF_MOST, unique="bucket")


def forget(bucket_parts: Sequence[str | int]) -> int:
    """Begin to count anew; return what had been counted. Transaction: one, committed here."""
    counter = delete(RateCounter).where(RateCounter.bucket == bucket_of(bucket_parts))
    with writing() as session:
        return session.execute(counter.returning(RateCounter.count)).scalar_one_or_none() or 0


def take_back(bucket_parts: Sequence[str | int], attempts: int) -> None:
    """Count so many attempts less. Transaction: one, committed here."""
    left = case((RateCounter.count > attempts, RateCounter.count - attempts), else_=0)
    with writing() as session:
        session.execute(update(RateCounter).where(RateCounter.bucket == bucket_of(bucket_parts)).values(count=left))


def bucket_of(bucket_parts: Sequence[str | int]) -> str:
    """Return the name under which attempts are counted: a hash, so that the table names nobody."""
    return hashlib.sha256(json.dumps(list(bucket_parts)).encode()).hexdigest()


def whole_seconds(left_seconds: float) -> int:
    """Return how long to wait, for people and for Retry-After: 1 or more."""
    return max(1, math.ceil(left_seconds))
