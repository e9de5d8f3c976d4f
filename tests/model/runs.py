"""Processes at work: each run has a thread of its own, and exactly one thread runs at any moment.

A run may stop inside a call to another system and go on much later, after its lease perhaps: then it is a zombie.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from flask import Flask

from tests.services.scripted import Killed

# Nothing in a run waits for anything but the model; far above what any run takes on a busy machine.
HANDOVER_SECONDS = 60


class Run:
    """One request, or one run of a task.

    Attributes:
        task_id: The task that is run; None for a submission.
        ways: What the outside does at its next calls; well, after that.
        claim: What it took at its beginning, as the outside saw it at its first call: the row's number, the fencing
            token, the lease's end.
        key: One of the keys it works under; known from its first call.
        acted: The keys it has acted on, as long as nobody else may know of it.
        stops: How often it has stopped.
    """

    def __init__(self, app: Flask, deed: Callable[[], object], task_id: int | None = None) -> None:
        self._app = app
        self._deed = deed
        self.task_id = task_id
        self.ways: deque[str] = deque()
        self.claim: tuple[int, int, str] | None = None
        self.key = ""
        self.acted: set[str] = set()
        self.acted_late = False
        self.stops = 0
        self.ended = False
        self._abandoned = False
        self._error: BaseException | None = None
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="run", daemon=True)

    def go_on(self, ways: Iterable[str]) -> None:
        """Let it run until it ends or stops (again). Raises whatever ended it, but for its own death."""
        self.ways = deque(ways)
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()
        if not self._back.acquire(timeout=HANDOVER_SECONDS):
            raise AssertionError("a run neither ended nor stopped")
        if self.ended:
            self._thread.join()
        if self._error is not None and not isinstance(self._error, Killed):
            raise self._error

    def stop(self) -> None:
        """Hand over to the model, and wait until it is let go on. For the run's own thread."""
        self.stops += 1
        self._back.release()
        self._go.acquire()
        if self._abandoned:
            raise Killed

    def abandon(self) -> None:
        """End it where it stands; for when the model itself has ended."""
        self._abandoned = True
        if self._thread.ident is not None and not self.ended:
            self._go.release()
            self._thread.join(HANDOVER_SECONDS)

    def _run(self) -> None:
        self._go.acquire()
        try:
            with self._app.app_context():
                self._deed()
        except BaseException as error:  # noqa: BLE001 - handed over to the model, which raises it
            self._error = error
        finally:
            self.ended = True
            self._back.release()
