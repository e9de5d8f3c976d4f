"""Jobs: work of ours or of a plugin that belongs to no order, as it is declared and enqueued.

The engine runs them as it runs the tasks of orders: docs/jobs.md.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, Protocol, cast

from flask import current_app
from sqlalchemy.orm import Session

from orderapp.domain.retry import Backoff
from orderapp.domain.schedules import Schedule
from orderapp.systems.base import NAME as SYSTEM_NAME
from orderapp.systems.limits import Limits
from orderapp.systems.runs import GivenUp, Run, in_utc
from orderapp.systems.settings import Environment

# The name is part of settings, queues and metrics, and as long as the column that has it. Its hyphen tells it from the
# name of a system, which is one word.
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
LONGEST_NAME = 32
LONGEST_KEY = 64  # as long as its column
MOST_ATTEMPTS = 10_000  # as many attempts, and tasks at the same time, as a system may have
# The broker takes a message back after half an hour.
LONGEST_LEASE_SECONDS = 1500.0
# Arguments say what to do; what is larger has a table of its own.
LONGEST_ARGUMENTS = 10_000
ENQUEUE = "orderapp.enqueue"  # the application's extension that writes the row


ScheduleFrom = Callable[[Environment], Schedule | None]
SecondsFrom = Callable[[Environment], float]
WhenGivenUp = Callable[[Session, GivenUp], None]


@dataclass(frozen=True, slots=True)
class Job:
    """A declared job, with its settings; called, it runs its function."""

    name: str
    function: Callable[[Run], Any]
    every: Schedule | ScheduleFrom | None = None
    attempts: int | None = None
    title: str = ""
    lease_seconds: float | SecondsFrom | None = None
    limits: Limits = Limits()
    backoff: Backoff = Backoff(2, 3600, 12)
    when_given_up: WhenGivenUp | None = None

    def __call__(self, run: Run) -> Any:
        """Run the function; what it returns is kept with the attempt."""
        return self.function(run)

    @property
    def schedule(self) -> Schedule | None:
        """When it runs by itself; None if it only runs when enqueued."""
        return self.every if isinstance(self.every, Schedule) else None

    @property
    def own_lease_seconds(self) -> float | None:
        """How long it may work without renewing its lease; None if as long as every task."""
        return None if callable(self.lease_seconds) else self.lease_seconds

    @property
    def setting(self) -> str:
        """The prefix of its settings."""
        return self.name.upper().replace("-", "_")

    def refuse_impossible_declaration(self) -> None:
        """Raise ValueError for a declaration that is malformed or out of range."""
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name) or len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"its name, {self.name!r}, has to be two or more lower-case words with hyphens between them, of at "
                f"most {LONGEST_NAME} characters in all"
            )
        if not isinstance(self.function, FunctionType) or not _takes_a_run(self.function):
            raise ValueError("@job has to stand above a function with one parameter, neither async nor a generator")
        self._refuse_impossible_schedule()
        concurrency = self.limits.concurrency
        for member, value, least in (("attempts", self.attempts, 1), ("concurrency", concurrency, 0)):
            if value is not None and (type(value) is not int or not least <= value <= MOST_ATTEMPTS):
                raise ValueError(f"{member}: {value!r} is no whole number, {least} to {MOST_ATTEMPTS}")
        if not isinstance(self.title, str) or not self.title.isprintable():
            raise ValueError(f"title: {self.title!r} is no line of text")
        if self.when_given_up is not None and not callable(self.when_given_up):
            raise ValueError(f"when_given_up: {self.when_given_up!r} is no function")
        own_seconds = self.own_lease_seconds
        if own_seconds is not None and not _is_between(own_seconds, 1, LONGEST_LEASE_SECONDS):
            raise ValueError(f"lease_seconds: {self.lease_seconds!r} is no number, 1 to {LONGEST_LEASE_SECONDS:g}")

    def _refuse_impossible_schedule(self) -> None:
        if self.every is None or callable(self.every):
            return
        if not isinstance(self.every, Schedule):
            raise ValueError(f'every: {self.every!r} is neither Daily("02:00", "Europe/Berlin") nor Every(3600)')
        try:
            self.every.refuse_impossible_declaration()
        except ValueError as error:
            raise ValueError(f"every: {error}") from None


def job(  # noqa: PLR0913 - the declaration of a job
    name: str,
    *,
    every: Schedule | ScheduleFrom | None = None,
    attempts: int | None = None,
    title: str = "",
    lease_seconds: float | SecondsFrom | None = None,
    concurrency: int = 0,
    when_given_up: WhenGivenUp | None = None,
) -> Callable[[Callable[[Run], Any]], Job]:
    """Declare a job: its function gets the run, and what it returns is kept with the attempt.

    Args:
        name: Two or more lower-case words with hyphens between them; part of settings and metrics. Unique.
        every: When it runs by itself: `Daily("02:00", "Europe/Berlin")` or `Every(3600)`; None: only when enqueued.
            Or a function that returns this from the settings.
        attempts: How often it is tried before staff get it; as for all tasks, if not given.
        title: What staff read; made from the name, if not given.
        lease_seconds: How long it may work without renewing its lease, 1 to 1500; as for all tasks, if not given.
            Or a function that returns this from the settings.
        concurrency: How many of its tasks may run at the same time in all processes together; 0 for no limit.
        when_given_up: Is called with a session and `GivenUp` when staff give a task up, in the same transaction: what
            waits for the task goes on without it, or ends too. It makes no call. If it raises, nothing is given up.
    """
    if not isinstance(name, str):
        raise TypeError('a job needs a name, as in @job("sales-report")')

    def declare(function: Callable[[Run], Any]) -> Job:
        _refuse_to_replace(name, function)
        shown = title or name.replace("-", " ").capitalize()
        limits = Limits(concurrency=concurrency)
        return Job(name, function, every, attempts, shown, lease_seconds, limits, when_given_up=when_given_up)

    return declare


class _Enqueue(Protocol):
    def __call__(
        self, session: Session, job: Job, arguments: str, *, key: str | None, due_at: dt.datetime | None
    ) -> int: ...


def enqueue(
    job: Job, session: Session, *, key: str | None = None, due_at: dt.datetime | None = None, **arguments: Any
) -> int:
    """Have a job run once, after the caller's transaction has committed; return the number of its task.

    Transaction: within the caller's. If it isn't committed, nothing runs.
    Idempotent because: for a job and key there is one task. If it exists already, it stays as it is.

    Args:
        job: The job.
        session: The caller's open transaction.
        key: What tells this work apart, at most 64 printable ASCII characters; a new one, if not given.
        due_at: When to run it, an aware time; now, if not given.
        arguments: JSON values, at most 10,000 characters together.

    Raises:
        ValueError: an argument isn't a JSON value, the key, time or job is wrong, or the session commits nothing.
    """
    if not isinstance(job, Job):
        raise ValueError(f"enqueue: {getattr(job, '__name__', repr(job))} is no job; @job has to stand above it")
    if key is not None and not (
        isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()
    ):
        raise ValueError(f"job {job.name}: its key has 1 to {LONGEST_KEY} printable ASCII characters")
    if due_at is not None:
        due_at = in_utc(f"job {job.name}: due_at", due_at)
    write = cast(_Enqueue, current_app.extensions[ENQUEUE])
    return write(session, job, arguments_text(job.name, arguments), key=key, due_at=due_at)


def arguments_text(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a job's arguments as its task keeps them. Raises ValueError for one that JSON can't hold."""
    for argument, value in arguments.items():
        try:
            same = json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError, RecursionError):
            same = False
        if not same:
            raise ValueError(f"job {name}: argument {argument}: {type(value).__name__} isn't kept by JSON as it is")
    text = json.dumps(arguments)
    if len(text) > LONGEST_ARGUMENTS:
        raise ValueError(f"job {name}: its arguments have {len(text)} characters, more than {LONGEST_ARGUMENTS}")
    return text


def can_be_named(name: str) -> bool:
    """Return whether a system or a job can have this name."""
    return SYSTEM_NAME.fullmatch(name) is not None or (NAME.fullmatch(name) is not None and len(name) <= LONGEST_NAME)


def jobs_in(module: ModuleType) -> list[Job]:
    """Return the jobs that a module declares, not those that it imports."""
    declared = (one for one in vars(module).values() if isinstance(one, Job))
    # What is no function says nothing about its module; it is refused wherever it is found.
    elsewhere = (FunctionType, type)
    return [
        one for one in declared if not isinstance(one.function, elsewhere) or one.function.__module__ == module.__name__
    ]


def _refuse_to_replace(name: str, function: Callable[[Run], Any]) -> None:
    """Raise ValueError if a function takes the name of another job's in its module, which then would be gone."""
    if not isinstance(function, FunctionType) or function.__qualname__ != function.__name__:
        return
    earlier = function.__globals__.get(function.__name__)
    if isinstance(earlier, Job) and earlier.name != name and earlier.function.__module__ == function.__module__:
        raise ValueError(
            f"the jobs {earlier.name!r} and {name!r} are both named {function.__name__}; rename one of them"
        )


def _takes_a_run(function: FunctionType) -> bool:
    plain = not inspect.iscoroutinefunction(function) and not inspect.isgeneratorfunction(function)
    try:
        inspect.signature(function).bind(object())
    except TypeError:
        return False
    return plain and not inspect.isasyncgenfunction(function)


def _is_between(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
