"""Load shedding: refuses orders while too many requests wait for a thread, so that accepted ones are answered in time.

A request beyond that limit doesn't queue: a second lane refuses orders immediately, and serves pages, which are quick.
Long before that, previews of the cost no longer ask other systems, so that their threads are there for orders.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from flask import Flask, request

from orderapp.errors import Overloaded

# The endpoints that place orders. All others are quick, and customers must be able to see what became of an order.
ENDPOINTS = frozenset({"shop.place", "shop.retry", "api.place", "api.retry"})
# How many requests may wait for each thread: an accepted request waits for at most four others. (With two, some of 64
# clients that order as fast as they are answered were refused, though all could be served within two seconds.)
WAITING_PER_THREAD = 4
# Previews ask nobody while this many requests wait for each thread: an order would wait for what they hold up.
CROWDED_PER_THREAD = 1
# Refusing an order takes a millisecond, so four threads keep up with any flood that a process can read.
THREADS_BESIDE = 4
# A full queue is empty again after a second or two.
RETRY_SECONDS = 2

_Result = TypeVar("_Result")


class _Lane(threading.local):
    """Which lane this thread works in."""

    is_beside = False
    pool: Threads | None = None  # the threads that this one belongs to; None outside a web process


_lane = _Lane()


def init_app(app: Flask) -> None:
    """Refuse orders in the lane beside the queue."""

    @app.before_request
    def refuse_beyond_capacity() -> None:
        if _lane.is_beside and request.endpoint in ENDPOINTS:
            raise Overloaded(RETRY_SECONDS)


def is_crowded() -> bool:
    """Return whether orders need the threads: what a request can do without should be left out.

    It is so in the lane beside, and while CROWDED_PER_THREAD requests wait for each thread.
    """
    return _lane.is_beside or (_lane.pool is not None and _lane.pool.is_crowded())


class Threads(ThreadPoolExecutor):
    """The threads of a web process, with a queue of bounded length and the lane beside it.

    Args:
        threads: How many threads take orders.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="web", initializer=_belong_to, initargs=(self,))
        self._most_waiting = WAITING_PER_THREAD * threads
        self._crowd = CROWDED_PER_THREAD * threads
        self._beside = ThreadPoolExecutor(THREADS_BESIDE, thread_name_prefix="beside")

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Queue a request, or hand it to the lane beside if the queue is full."""
        if self._work_queue.qsize() < self._most_waiting:
            return super().submit(fn, *args, **kwargs)
        return self._beside.submit(_see_to, fn, *args, **kwargs)

    def is_crowded(self) -> bool:
        """Return whether CROWDED_PER_THREAD requests or more wait for each thread."""
        return self._work_queue.qsize() >= self._crowd

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down both lanes."""
        self._beside.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


def _belong_to(pool: Threads) -> None:
    _lane.pool = pool


def _see_to(fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> _Result:
    _lane.is_beside = True  # never reset: the thread does nothing else
    return fn(*args, **kwargs)
