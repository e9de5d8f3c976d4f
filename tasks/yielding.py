"""Gives customers priority: worker processes yield the processor to web processes when both want it.

A task can wait, but a customer is waiting. The workers get the remaining time, so their work finishes just as soon as
with equal priority, only at other moments.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import dramatiq

# When both are busy, about a third of the processor is left to tasks. That is about what the tasks of the orders need
# that the other two thirds place, so no backlog builds up.
NICENESS = 3
# With this kernel feature each session gets the same share, and priorities count only within a session.
_SESSION = Path("/proc/self/autogroup")


class Yielding(dramatiq.Middleware):
    """Lowers the priority of each of the worker's processes.

    Args:
        niceness: 0 (none lower than the web's) to 19, as `nice` counts.
    """

    def __init__(self, niceness: int) -> None:
        self._niceness = niceness

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """Lower the priority of this process; its threads start later and inherit it."""
        if os.getpriority(os.PRIO_PROCESS, 0) >= self._niceness:
            return  # the priority was already lowered at the start
        os.setpriority(os.PRIO_PROCESS, 0, self._niceness)
        if os.getsid(0) == os.getppid():  # otherwise the session has other processes, which needn't yield
            # The file may be missing or read-only. Two processes at the same time write the same value.
            with contextlib.suppress(OSError):
                _SESSION.write_text(str(self._niceness))
