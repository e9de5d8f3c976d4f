"""Slots: how many threads of a worker process one system, or one job, may use at the same time."""

from __future__ import annotations

import threading


class Slots:
    """The slots of one system or job. Threads may share it.

    Args:
        semaphores: A thread needs a place in each of them: in its job's own, and in the one of all jobs.
    """

    def __init__(self, *semaphores: threading.BoundedSemaphore) -> None:
        self._semaphores = semaphores

    def take(self) -> bool:
        """Take a slot if one is free; return whether it was."""
        taken: list[threading.BoundedSemaphore] = []
        for semaphore in self._semaphores:
            if not semaphore.acquire(blocking=False):
                for one in taken:
                    one.release()
                return False
            taken.append(semaphore)
        return True

    def give_back(self) -> None:
        """Give a slot back."""
        for semaphore in self._semaphores:
            semaphore.release()
