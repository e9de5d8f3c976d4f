"""Finds all jobs: in our own modules that have some, and in plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from orderapp.domain.retry import Backoff
from orderapp.errors import ConfigurationError
from orderapp.systems.base import backoff_from
from orderapp.systems.jobs import Job, jobs_in
from orderapp.systems.limits import Limits
from orderapp.systems.settings import Environment


class Jobs(Mapping[str, Job]):
    """All jobs with their settings, by name."""

    def __init__(self, jobs: Iterable[Job] = (), env: Environment | None = None) -> None:
        self._jobs = {job.name: job for job in jobs}
        self.env = env or Environment({}, production=False)

    @classmethod
    def from_environment(cls, env: Environment, backoff: Backoff, modules: Iterable[str]) -> Jobs:
        """Find the jobs of these modules and read their settings.

        Args:
            env: The environment.
            backoff: The backoff of all tasks.
            modules: Those that can be imported.

        Raises:
            ConfigurationError: a declaration or a setting is wrong; the text names module, job and reason.
        """
        found: dict[str, Job] = {}
        for module in modules:
            for job in jobs_in(import_module(module)):
                where = f"plugin {module}: job {job.name!r} ({getattr(job.function, '__name__', 'no function')})"
                try:
                    job.refuse_impossible_declaration()
                    if callable(job.every):
                        job = replace(job, every=job.every(env))
                    if callable(job.lease_seconds):
                        job = replace(job, lease_seconds=job.lease_seconds(env))
                    job.refuse_impossible_declaration()
                except ValueError as error:
                    raise ConfigurationError(f"{where}: {error}") from None
                if job.name in found:
                    first = found[job.name].function
                    there = f"{first.__name__} in {first.__module__}"
                    raise ConfigurationError(f"{where}: its name: there is a job {job.name} already, {there}")
                found[job.name] = _with_settings(job, env, backoff)
        return cls(found.values(), env)

    def __getitem__(self, name: str) -> Job:
        return self._jobs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._jobs)

    def __len__(self) -> int:
        return len(self._jobs)


def _with_settings(job: Job, env: Environment, backoff: Backoff) -> Job:
    limits = Limits.from_environment(env, job.setting)
    return replace(
        job,
        backoff=backoff_from(env, job.setting, replace(backoff, attempts=job.attempts or backoff.attempts)),
        limits=replace(limits, concurrency=limits.concurrency or job.limits.concurrency),
    )
