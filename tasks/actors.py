"""The only actor: it takes the ids of tasks and calls one service for each."""

from __future__ import annotations

import threading
import time

import dramatiq
import structlog
from flask import Flask

from orderapp.config import Settings
from orderapp.errors import DatabaseUnavailable
from orderapp.services.engine.batch import OneByOne, Together
from tasks.queues import ACTOR
from tasks.remembered import Remembered
from tasks.slots import Slots

log = structlog.get_logger()

# Threads of a worker process that one system may use: half of dramatiq's default of eight, so that a slow system never
# blocks all of them.
SLOTS_PER_SYSTEM = 4
# Of these, so many may be of one job: one whose partner hangs never blocks all other jobs.
SHARE_OF_A_JOB = 0.5
# How long one message may run tasks: it is acknowledged long before the broker takes it back (30 minutes).
RUN_SECONDS = 60.0


class _Stopping(dramatiq.Middleware):
    """Knows when the process must stop: then no further task begins, and the relay sends the waiting ones again.

    Otherwise a message's tasks could run for longer than a supervisor waits, and it would kill them in the middle.
    """

    def __init__(self) -> None:
        self.is_set = False

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Let no further task begin."""
        self.is_set = True


def declare_actor(
    broker: dramatiq.Broker, app: Flask, settings: Settings, slots_per_system: int = SLOTS_PER_SYSTEM
) -> dramatiq.Actor[[list[int], str], None]:
    """Declare the actor `run(task_ids, system)` on the broker."""
    # More threads than the system's parallel tasks would only find that they may not run.
    slots = {
        name: Slots(threading.BoundedSemaphore(min(slots_per_system, system.limits.concurrency or slots_per_system)))
        for name, system in settings.systems.items()
    }
    slots_per_job = max(1, round(slots_per_system * SHARE_OF_A_JOB))
    # All jobs together use no more threads than one system, so that no job holds up the work of orders.
    of_all_jobs = threading.BoundedSemaphore(slots_per_system)
    for name, job in settings.jobs.items():
        of_this = threading.BoundedSemaphore(min(slots_per_job, job.limits.concurrency or slots_per_job))
        slots[name] = Slots(of_this, of_all_jobs)
    remembered = {name: Remembered() for name in settings.runnable}
    running: dict[str, Together | OneByOne] = {
        name: Together(system, settings) for name, system in settings.systems.items()
    }
    running |= {name: OneByOne(settings) for name in settings.jobs}
    stopping = _Stopping()
    broker.add_middleware(stopping)

    def goes_on(ends_at: float) -> bool:
        return not stopping.is_set and time.monotonic() < ends_at

    def run(task_ids: list[int], system: str) -> None:
        """Run these and remembered tasks, unless their system is unknown or uses enough threads of this process."""
        if system not in slots:
            return
        ends_at = time.monotonic() + RUN_SECONDS
        remembered[system].add([int(task_id) for task_id in task_ids])  # a malformed message fails here, alone
        # Those that share its slots may have found none free meanwhile.
        for name in (system, *(settings.jobs if system in settings.jobs else ())):
            waiting = remembered[name]
            # Check again after freeing the slot: a thread that added tasks just before found no free slot.
            while waiting and goes_on(ends_at) and slots[name].take():
                try:
                    _run_waiting(waiting, running[name], ends_at)
                finally:
                    slots[name].give_back()

    def _run_waiting(waiting: Remembered, together: Together | OneByOne, ends_at: float) -> None:
        while goes_on(ends_at) and (task_ids := waiting.take(together.at_most)):
            try:
                with app.app_context():
                    together.run(task_ids, lambda: goes_on(ends_at))
            except DatabaseUnavailable:
                # The rows are unchanged or under a lease, so relay or timer find them. Raising would dead-letter hints.
                log.warning("task.database_unavailable", tasks=task_ids)

    return dramatiq.actor(actor_name=ACTOR, broker=broker)(run)
