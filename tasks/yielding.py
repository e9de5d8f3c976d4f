"""Lets the processor go to customers first: a worker's process yields it to the web's wherever both want it.

A task can wait, a customer is waiting. What is left over is the workers', so the work is done as soon as it is on an
equal footing, only not at the same moments.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import dramatiq

# Where both take all they can get, a third of the processor is left to tasks: about what those of the orders need that
# the other two thirds place. So nothing piles up that one after the other would not have, too.
NICENESS = 3
# Where the kernel has it, it gives each session the same share, and priorities count only within one.
_SESSION = Path("/proc/self/autogroup")


class Yielding(dramatiq.Middleware):
    """Lowers the priority of each of the worker's processes.

    Args:
        niceness: 0 (none lower than the web's) to 19, as `nice` counts.

    """

    def __init__(self, niceness: int) -> None:
        self._niceness = niceness

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """Lower this process's: its threads, none of which runs yet, will have it as well."""
        if os.getpriority(os.PRIO_PROCESS, 0) >= self._niceness:
            return  # whoever started it has said so already
        os.setpriority(os.PRIO_PROCESS, 0, self._niceness)
        if os.getsid(0) == os.getppid():  # else others are in the session who needn't yield
            # Not everywhere is there such a thing, or may it be set; two at the same moment set the same.
            with contextlib.suppress(OSError):
                _SESSION.write_text(str(self._niceness))
