"""Turns orders away while too many requests wait for a thread, so that those it takes are answered in good time."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, request

from orderapp.errors import Overloaded

# What places orders. Everything else is short, and whoever has ordered must be able to see what came of it.
ENDPOINTS = frozenset({"shop.place", "shop.retry", "api.place", "api.retry"})
# How many requests may wait for each thread. Turning one away takes a fraction of placing one, so a longer queue is cut
# back within moments, and nobody who is let in has waited for more than four others. (With two, 64 clients who order as
# fast as they are answered were turned away now and then, though all could be served within two seconds.)
WAITING_PER_THREAD = 4
# A queue that long is gone after a second or two.
RETRY_SECONDS = 2
EXTENSION = "orderapp.capacity"


def init_app(app: Flask) -> None:
    """Look at the queue before each order, where the web server has said how long it is."""

    @app.before_request
    def refuse_beyond_capacity() -> None:
        is_full: Callable[[], bool] | None = app.extensions.get(EXTENSION)
        if is_full is not None and request.endpoint in ENDPOINTS and is_full():
            raise Overloaded(RETRY_SECONDS)


def watch_queue(app: Flask, waiting: Callable[[], int], threads: int) -> None:
    """Let the web server say how long its queue is.

    Args:
        app: The application.
        waiting: Returns how many requests wait for a thread right now.
        threads: How many threads there are.

    """
    app.extensions[EXTENSION] = lambda: waiting() > WAITING_PER_THREAD * threads
