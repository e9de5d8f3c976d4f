"""Hints that found no free thread, remembered by the process until one has time for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable

# Remembering is no promise: the rows come round again by themselves, so beyond a thousand the oldest is forgotten.
REMEMBERED_HINTS = 1000


class Remembered:
    """The tasks of one system that were told of, each once, in the order of their first hints. Shared by threads."""

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._ids)

    def add(self, task_ids: Iterable[int]) -> None:
        """Remember tasks. Of one that is waiting already, a further hint tells nothing new."""
        with self._lock:
            for task_id in task_ids:
                self._ids.setdefault(task_id)
            while len(self._ids) > REMEMBERED_HINTS:
                del self._ids[next(iter(self._ids))]

    def take(self, at_most: int) -> list[int]:
        """Take so many out, the oldest first, or as many as there are."""
        with self._lock:
            taken = [task_id for task_id, _ in zip(self._ids, range(at_most), strict=False)]
            for task_id in taken:
                del self._ids[task_id]
        return taken
