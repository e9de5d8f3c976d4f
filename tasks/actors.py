"""The one actor: it takes the ids of tasks and calls one service for each."""

from __future__ import annotations

import threading
import time

import dramatiq
import structlog
from flask import Flask

from orderapp.config import Settings
from orderapp.errors import DatabaseUnavailable
from orderapp.services.engine.batch import Together
from tasks.queues import ACTOR
from tasks.remembered import Remembered

log = structlog.get_logger()

# Threads of one worker process that one system may keep busy: half of dramatiq's default of eight, so that a system
# that answers slowly never has them all.
SLOTS_PER_SYSTEM = 4
# One message runs tasks for so long at most: acknowledged long before a broker takes it back (30 minutes).
RUN_SECONDS = 60.0


class _Stopping(dramatiq.Middleware):
    """Knows when the process is told to stop: from then on no further task is begun, and what waits is told of again.

    Else a message's tasks would go on one after the other for longer than a supervisor waits, and be killed half way.
    """

    def __init__(self) -> None:
        self.is_set = False

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Begin no more."""
        self.is_set = True


def declare_actor(
    broker: dramatiq.Broker, app: Flask, settings: Settings, slots_per_system: int = SLOTS_PER_SYSTEM
) -> dramatiq.Actor[[list[int], str], None]:
    """Declare the actor `run(task_ids, system)` on the broker."""
    # More threads than tasks that may run at once would only find out that they may not.
    slots = {
        name: threading.BoundedSemaphore(min(slots_per_system, system.limits.concurrency or slots_per_system))
        for name, system in settings.systems.items()
    }
    remembered = {name: Remembered() for name in settings.systems}
    together = {name: Together(system, settings) for name, system in settings.systems.items()}
    stopping = _Stopping()
    broker.add_middleware(stopping)

    def goes_on(ends_at: float) -> bool:
        return not stopping.is_set and time.monotonic() < ends_at

    def run(task_ids: list[int], system: str) -> None:
        """Run tasks and those remembered, unless their system is unknown or has enough of this process's threads."""
        if system not in slots:
            return
        waiting, ends_at = remembered[system], time.monotonic() + RUN_SECONDS
        waiting.add([int(task_id) for task_id in task_ids])  # nonsense ends here, in its own message
        # Looked at again once the slot is free: whoever brought more just before that has found none.
        while waiting and goes_on(ends_at) and slots[system].acquire(blocking=False):
            try:
                _run_waiting(waiting, together[system], ends_at)
            finally:
                slots[system].release()

    def _run_waiting(waiting: Remembered, together: Together, ends_at: float) -> None:
        while goes_on(ends_at) and (task_ids := waiting.take(together.at_most)):
            try:
                with app.app_context():
                    together.run(task_ids, lambda: goes_on(ends_at))
            except DatabaseUnavailable:
                # The rows are untouched or under a lease: the timer brings them back. Raising would dead-letter hints.
                log.warning("task.database_unavailable", tasks=task_ids)

    return dramatiq.actor(actor_name=ACTOR, broker=broker)(run)
