"""Heartbeats for a supervisor: a file whose modification time says when the process last worked.

`HEARTBEAT_FILE` names the file; without it there is none. compose.yaml checks its age.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import dramatiq

BEAT_SECONDS = 5.0  # for worker and timer; supervisors treat a process as unhealthy after a minute without one


def beat() -> None:
    """Record that this process is alive."""
    file = os.environ.get("HEARTBEAT_FILE", "")
    if file:
        Path(file).touch(mode=0o600)


class Beating(dramatiq.Middleware):
    """Sends a worker process's heartbeats while all of its threads live: those that fetch and those that work."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Begin."""
        threading.Thread(target=self._beat, args=(worker,), name="heartbeat", daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """End."""
        self._stop.set()

    def _beat(self, worker: dramatiq.Worker) -> None:
        while not self._stop.is_set():
            if all(thread.is_alive() for thread in (*worker.consumers.values(), *worker.workers)):
                beat()
            self._stop.wait(BEAT_SECONDS)
