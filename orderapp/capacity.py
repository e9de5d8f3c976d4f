"""Turns orders away while too many requests wait for a thread, so that those it takes are answered in good time.

What comes beyond that doesn't queue: a lane beside it turns orders away at once, and serves pages, which are short.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from flask import Flask, request

from orderapp.errors import Overloaded

# What places orders. Everything else is short, and whoever has ordered must be able to see what came of it.
ENDPOINTS = frozenset({"shop.place", "shop.retry", "api.place", "api.retry"})
# How many requests may wait for each thread: nobody who is let in has waited for more than four others. (With two, 64
# clients who order as fast as they are answered were turned away now and then, though all could be served within two
# seconds.)
WAITING_PER_THREAD = 4
# Turning an order away takes a millisecond, so four of them keep up with any flood that a process can read.
THREADS_BESIDE = 4
# A queue that long is gone after a second or two.
RETRY_SECONDS = 2

_Result = TypeVar("_Result")


class _Lane(threading.local):
    """Where this thread works."""

    is_beside = False


_lane = _Lane()


def init_app(app: Flask) -> None:
    """Turn away orders in the lane beside the queue."""

    @app.before_request
    def refuse_beyond_capacity() -> None:
        if _lane.is_beside and request.endpoint in ENDPOINTS:
            raise Overloaded(RETRY_SECONDS)


class Threads(ThreadPoolExecutor):
    """The threads of a web process, with a queue of bounded length and the lane beside it.

    Args:
        threads: How many take orders.

    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, thread_name_prefix="web")
        self._most_waiting = WAITING_PER_THREAD * threads
        self._beside = ThreadPoolExecutor(THREADS_BESIDE, thread_name_prefix="beside")

    def submit(self, fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> Future[_Result]:
        """Queue a request, or have it seen to beside a queue that is full."""
        if self._work_queue.qsize() < self._most_waiting:
            return super().submit(fn, *args, **kwargs)
        return self._beside.submit(_see_to, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End both."""
        self._beside.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)


def _see_to(fn: Callable[..., _Result], /, *args: Any, **kwargs: Any) -> _Result:
    _lane.is_beside = True  # as long as the thread lives: it does nothing else
    return fn(*args, **kwargs)
