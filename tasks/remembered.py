"""Hints that found no free thread. The process remembers them until a thread is free."""

from __future__ import annotations

import threading
from collections.abc import Iterable

# The relay sends the rows again anyway, so beyond a thousand the oldest hint may be forgotten.
REMEMBERED_HINTS = 1000


class Remembered:
    """The hinted tasks of one system, each once, in the order of their first hints. Threads may share it."""

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._ids)

    def add(self, task_ids: Iterable[int]) -> None:
        """Remember tasks; ignore a second hint for a remembered task."""
        with self._lock:
            for task_id in task_ids:
                self._ids.setdefault(task_id)
            while len(self._ids) > REMEMBERED_HINTS:
                del self._ids[next(iter(self._ids))]

    def take(self, at_most: int) -> list[int]:
        """Remove and return at most this many, the oldest first."""
        with self._lock:
            taken = [task_id for task_id, _ in zip(self._ids, range(at_most), strict=False)]
            for task_id in taken:
                del self._ids[task_id]
        return taken
