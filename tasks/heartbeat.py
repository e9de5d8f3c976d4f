"""Signs of life for a supervisor that asks for them: a file whose time says when the process last did its work.

`HEARTBEAT_FILE` names it; without it there is none. compose.yaml asks how old it is.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import dramatiq

BEAT_SECONDS = 5.0  # of worker and timer; supervisors call a process ill after a minute without one


def beat() -> None:
    """Say that this process lives."""
    file = os.environ.get("HEARTBEAT_FILE", "")
    if file:
        Path(file).touch(mode=0o600)


class Beating(dramatiq.Middleware):
    """Beats for a worker's process as long as all of its threads live: those that fetch and those that work."""

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
