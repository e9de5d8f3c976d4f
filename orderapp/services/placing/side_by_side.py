"""Asks several systems at the same time, so that a customer waits only for the slowest one.

For questions only: calls that change something run one after the other, the most error-prone system first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

# As many as the threads of a web process (gunicorn.conf.py), each of which may hand over one question. Made on demand.
THREADS = 16

_Answer = TypeVar("_Answer")


def all_of(questions: Sequence[Callable[[], _Answer]]) -> list[_Answer]:
    """Ask all, the last one in this thread; return the answers in the same order. Raises what a question raises.

    Args:
        questions: Calls that end within their own time-outs. Each runs in a copy of this context, so that its log
            lines name the request.
    """
    if not questions:
        return []
    *others, last = questions
    asked = [_threads().submit(copy_context().run, question) for question in others]
    answer = last()
    return [one.result() for one in asked] + [answer]


@cache  # made in this process: threads don't survive a fork
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="asking")
