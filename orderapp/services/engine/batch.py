"""Runs tasks of one system one after the other; claims and records them together where that is safe and fast.

A claim and a record take as long as the call between them, and for several tasks hardly longer than for one. The price:
when a worker dies, more calls are repeated. So this is only for idempotent systems, where a repeat has no second
effect, and for as many tasks as finish within TOGETHER_SECONDS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from orderapp.config import Settings
from orderapp.domain.retry import Guarantee, Verdict
from orderapp.domain.states import TaskState
from orderapp.services.engine.claim import Claim, claim_plainly, give_back, is_plain
from orderapp.services.engine.ended_run import Ran
from orderapp.services.engine.outbox import Hint
from orderapp.services.engine.run_job import run_job
from orderapp.services.engine.run_task import make_run, record_runs, run_task
from orderapp.services.resilience.skipped_items import Kind, skipping
from orderapp.systems.base import System

# A larger batch would save hardly anything: a tenth of a statement per task is almost nothing.
TOGETHER = 10
# Short, because it is how long a finished task waits for its record, how late a pause by staff takes effect, and how
# much claimed work a dying worker leaves behind.
TOGETHER_SECONDS = 0.5


class OneByOne:
    """Runs the tasks of a job in one process, one after the other. Threads may share it."""

    at_most = 1

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self, task_ids: Sequence[int], goes_on: Callable[[], bool]) -> None:
        """Run those of the tasks that are due and that no other worker has.

        Transaction, Idempotent because, If we die here: as for `run_job.run_job`.
        """
        for task_id in task_ids:
            if goes_on():
                with skipping(Kind.TASK, task_id):
                    run_job(task_id, self._settings, goes_on)


class Together:
    """Runs a system's tasks in one process; the faster it answers, the more at a time. Threads may share it.

    Args:
        system: The system whose tasks it runs.
        settings: The application's settings.
    """

    def __init__(self, system: System, settings: Settings) -> None:
        self._system, self._settings = system, settings
        self._together = system.guarantee is Guarantee.IDEMPOTENT and is_plain(system)
        # Until its first answer, the system may be a slow one.
        self._run_seconds = TOGETHER_SECONDS

    @property
    def at_most(self) -> int:
        """How many tasks to run together now."""
        if not self._together:
            return 1
        return max(1, min(TOGETHER, int(TOGETHER_SECONDS / max(self._run_seconds, 0.001))))

    def run(self, task_ids: Sequence[int], goes_on: Callable[[], bool]) -> None:
        """Run those of the tasks that are due and that no other worker has.

        Transaction: one claim for all, one record for all, none open while the system is called.
        Idempotent because: as for `run.run_task`.
        If we die here: the leases run out, and the timer makes the tasks due again; their attempts stay counted.

        Args:
            task_ids: As many as `at_most` says, or fewer; of this system.
            goes_on: Says whether to begin another task; tasks that don't begin are due again immediately.
        """
        claims: Sequence[Claim] = ()
        if len(task_ids) > 1:
            # If the common claim raises, each task is claimed on its own.
            with skipping(Kind.SYSTEM, self._system.name):
                claims = claim_plainly(task_ids, self._settings)
        self._run_claimed(claims, goes_on)
        claimed = {claim.task.id for claim in claims}
        for task_id in task_ids:
            if task_id not in claimed and goes_on():
                started = time.monotonic()
                with skipping(Kind.TASK, task_id):
                    if run_task(task_id, self._settings):
                        self._run_seconds = time.monotonic() - started

    def _run_claimed(self, claims: Sequence[Claim], goes_on: Callable[[], bool]) -> None:
        runs: list[Ran] = []
        left, started = list(claims), time.monotonic()
        try:
            while left and (not runs or (self._next_is_fine(runs[-1], left[0], started) and goes_on())):
                held = left.pop(0)
                with skipping(Kind.TASK, held.task.id):
                    runs.append(make_run(held, self._settings))
        finally:
            try:
                if runs:
                    self._run_seconds = max(run.one.ended_at - run.one.started_at for run in runs)
                    record_runs(runs)
            finally:
                if left:
                    give_back(left)

    def _next_is_fine(self, last: Ran, following: Claim, started: float) -> bool:
        """Whether to run the next task: the system works, little time has passed, and the lease is long enough."""
        works = last.decision.verdict is Verdict.DONE
        soon = time.monotonic() - started < TOGETHER_SECONDS
        longest_seconds = self._system.calls_per_run * self._system.call_seconds
        return works and soon and following.seconds_left() > longest_seconds


def run_hint(hint: Hint, settings: Settings) -> TaskState | None:
    """Run the task of a hint once; return its new state, or None if there was nothing to do.

    Transaction, Idempotent because, If we die here: as for `run_task.run_task` and `run_job.run_job`.
    """
    return (run_job if hint.system in settings.jobs else run_task)(hint.task_id, settings)
