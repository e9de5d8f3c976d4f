"""The time that a job's run has, for work that is stopped by an event."""

from __future__ import annotations

import threading

from orderapp.systems.runs import Run


class OutOfTime(threading.Event):
    """Is set once a job's run should end and go on in another one."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def is_set(self) -> bool:
        """Return whether to stop."""
        return not self._run.goes_on()
