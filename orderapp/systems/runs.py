"""What a job gets when it runs, and how it puts itself off."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy.orm import Session

from orderapp.domain.orders import OrderDocument
from orderapp.systems.settings import Environment

LONGEST_SNOOZE_SECONDS = 31 * 86_400.0  # as the longest interval of a schedule


FIRST_YEAR, LAST_YEAR = 1970, 9998  # what every database and time zone can hold, with a day to spare


def in_utc(name: str, moment: dt.datetime) -> dt.datetime:
    """Return a job's time in UTC. Raises ValueError, which names it, for a naive time or one out of range."""
    if not isinstance(moment, dt.datetime):
        raise ValueError(f"{name}: {moment!r} is no datetime")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: {moment.isoformat()}")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{name}: {moment.isoformat()} isn't in the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment.astimezone(dt.UTC)


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """An order that a job reads."""

    document: OrderDocument  # what was ordered, by whom, for how much
    state: str  # placing, confirmed, compensating, failed or cancelled
    placed_at: dt.datetime  # in UTC


class Snooze(Exception):
    """Raised by a job: run it again later, without using up an attempt.

    Args:
        seconds: The pause, 0 to 31 days; a longer one is 31 days.
        why: What staff read about it.

    Raises:
        ValueError: the pause is negative or no number.
    """

    def __init__(self, seconds: float, why: str = "") -> None:
        super().__init__(why)
        if not float(seconds) >= 0:  # NaN isn't either
            raise ValueError(f"snooze: {seconds!r} is no number of seconds, 0 or more")
        self.seconds, self.why = min(float(seconds), LONGEST_SNOOZE_SECONDS), str(why)


class TryAgain(Exception):
    """Raised by a job: it couldn't be done now, as happens. The attempt is used up, and the next one comes later.

    Args:
        why: What staff read about it.
        least_seconds: The least pause until then, at most a day; what a partner asked for, if it did.
    """

    def __init__(self, why: str, least_seconds: float | None = None) -> None:
        super().__init__(why)
        self.least_seconds = least_seconds


class NeedsAttention(Exception):
    """Raised by a job: no attempt can succeed until somebody has done something, so staff get it now.

    Args:
        why: What staff read about it: what happened, and what they can do.
    """


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A task of a job that staff have given up.

    Attributes:
        arguments: What it was enqueued with.
        key: What tells it apart from other tasks of the job.
        task_id: The number of the task.
    """

    arguments: Mapping[str, Any]
    key: str
    task_id: int


class Run(ABC):
    """One run of a job. No transaction is open while it runs; it opens its own.

    Attributes:
        arguments: What it was enqueued with.
        key: What tells it apart from other tasks of the job.
        scheduled_at: The time of its schedule that it runs for, in UTC; None if it was enqueued.
        attempt: How many attempts are used up, this one included.
        task_id: The number of its task, as the back office shows it.
        log: A structured log that carries the job and the task.
        env: The settings, with their types checked.
    """

    arguments: Mapping[str, Any]
    key: str
    scheduled_at: dt.datetime | None
    attempt: int
    task_id: int
    log: Any
    env: Environment

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Session]:
        """Open a transaction that commits at the end of the block, if the task is still ours; it renews the lease.

        Raises:
            LeaseLost: the lease is over, another worker has the task, or staff have given it up. Nothing is written,
                and nothing can be written by this run any more.
            RuntimeError: it is opened inside another one.
            DatabaseUnavailable: nothing is written, or the answer to the commit was lost.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Session]:
        """Open a session that only reads. Raises DatabaseUnavailable."""

    @abstractmethod
    def orders(self, since: dt.datetime, until: dt.datetime) -> Iterator[PlacedOrder]:
        """Yield the orders placed from `since` on and before `until`, aware times, oldest first.

        They are read in small parts, so any number of them may be gone through. Archived orders aren't among them.

        Raises:
            ValueError: a time has no time zone, or is out of range.
            DatabaseUnavailable: they can't be read on.
        """

    @abstractmethod
    def order(self, number: str) -> PlacedOrder | None:
        """Return an order as it is now; None if there is none of this number, or it was archived.

        Raises:
            DatabaseUnavailable: it can't be read.
        """

    @abstractmethod
    def renew(self) -> None:
        """Renew the lease, outside a transaction. Raises LeaseLost, DatabaseUnavailable or RuntimeError."""

    @abstractmethod
    def goes_on(self) -> bool:
        """Return whether there is time for more; if not, a job of many parts snoozes and goes on later.

        It is false once the run has taken a minute, its worker has been told to stop, or its lease was lost.
        """

    def snooze(self, seconds: float, why: str = "") -> NoReturn:
        """End this run and have another one later, without using up an attempt. Raises Snooze."""
        raise Snooze(seconds, why)

    def try_again(self, why: str, least_seconds: float | None = None) -> NoReturn:
        """End this run as a failed attempt, to be tried again with backoff. Raises TryAgain."""
        raise TryAgain(why, least_seconds)

    def needs_attention(self, why: str) -> NoReturn:
        """End this run, and give its task to staff at once. Raises NeedsAttention."""
        raise NeedsAttention(why)
