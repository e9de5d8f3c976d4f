"""Asks several systems at the same time, so that a customer waits for the slowest of them, not for one after the other.

For questions only: what changes something elsewhere is done in order, the most error-prone first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

# As many as threads of a web process may hand over a question each (gunicorn.conf.py); they are made when needed.
THREADS = 16

_Answer = TypeVar("_Answer")


def all_of(questions: Sequence[Callable[[], _Answer]]) -> list[_Answer]:
    """Ask all, the last in this thread, and return the answers in the questions' order. Raises what one of them raises.

    Args:
        questions: Calls that end by themselves within their time-outs. Each has the context of this one, so that the
            log knows in all of them which request they are for.

    """
    if not questions:
        return []
    *others, last = questions
    asked = [_threads().submit(copy_context().run, question) for question in others]
    answer = last()
    return [one.result() for one in asked] + [answer]


@cache  # of this process: threads don't survive a fork
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="asking")
