"""Effects that happen after their caller was cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable


class LateEffects:
    """Effects to come after their callers were cut off. A sandbox that stops forgets them, as after a crash."""

    def __init__(self) -> None:
        self._waiting: set[threading.Timer] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self, seconds: float, perform: Callable[[], object]) -> None:
        """Perform it in so many seconds."""

        def run() -> None:
            try:
                perform()
            finally:
                self._waiting.discard(timer)

        timer = threading.Timer(seconds, run)
        self._waiting.add(timer)
        timer.start()

    def stop(self) -> None:
        """Forget effects that haven't begun; wait for those that have."""
        for timer in list(self._waiting):
            timer.cancel()
        for timer in list(self._waiting):
            timer.join()
        self._waiting.clear()
