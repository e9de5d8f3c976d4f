"""Requests leave when they are due, whatever became of earlier ones, and are counted by what came of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from bench.open_loop import Due, Seen, evenly, send_when_due
from bench.overload import STRETCHES, _normal_after_seconds, _schedule
from bench.tallies import tallies_markdown, tally
from tests.servers.loopback import HOST

PAGE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@contextmanager
def server(seconds: float, answer: bytes) -> Iterator[int]:
    """A server that answers each request after a while, at any number of them at once."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(seconds)
            writer.write(answer)
        writer.close()

    loop = asyncio.new_event_loop()
    # In its own thread from the beginning: other tests may have left a loop running in this one.
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(serve, HOST, 0), loop).result(10)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.call_later, 0.1, loop.stop)  # closed connections are seen before
        thread.join()
        loop.close()


def sent(port: int, waiting: list[Due]) -> list[Seen]:
    """Send them from a thread of its own, for the same reason."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(send_when_due, port, waiting).result()


def test_a_steady_rate_is_even() -> None:
    assert evenly(2.0, 10.0, 2.0) == [10.0, 10.5, 11.0, 11.5]


def test_nobody_waits_for_slow_answers() -> None:
    answer = b"HTTP/1.1 503 Slow\r\nContent-Length: 2\r\nRetry-After: 2\r\n\r\n{}"
    with server(0.5, answer) as port:
        seen = sent(port, [Due(at, "page", PAGE) for at in evenly(100, 0, 0.2)])
    assert len(seen) == 20
    assert max(one.seconds for one in seen) < 5  # one after the other they would take ten
    counted = tally("pages", seen, 0.2)
    assert (counted.due_per_second, counted.refused_share, counted.retry_after_share) == (100, 1, 1)


def test_who_gets_no_answer_is_counted() -> None:
    with server(0, b"") as port:
        unanswered = port
    seen = sent(unanswered, [Due(0, "page", PAGE)])
    assert tally("pages", seen, 1).others == {"0": 1}


def test_a_refusal_without_retry_after_is_counted() -> None:
    seen = [Seen(Due(0, "page", PAGE), 0.01, 503, headers) for headers in ({"retry-after": "2"}, {})]
    assert tally("pages", seen, 1).retry_after_share == pytest.approx(0.5)


def test_where_nothing_was_done_there_is_no_time() -> None:
    seen = [Seen(Due(0, "page", PAGE), 0.01, 503, {"retry-after": "2"})]
    assert "| pages | 1 | 0 | - | - | 100% | 10 | 10 | 100% | 1 (503) |" in tallies_markdown([tally("pages", seen, 1)])


def test_the_flood_has_three_times_the_capacity() -> None:
    due = _schedule("token", capacity_per_second=10)
    per_stretch = [sum(one.kind == stretch.title for one in due) for stretch in STRETCHES]
    assert per_stretch == [50, 600, 25, 25]
    phones = {one.submission.phone for one in due if one.submission}
    assert len(phones) == len(due)


def test_it_is_normal_again_after_the_last_order_that_was_refused_or_slow() -> None:
    # The flood ends after thirty seconds.
    orders = [(29.0, 2.0, 503), (31.0, 0.1, 503), (32.0, 1.5, 201), (34.0, 0.2, 201)]
    seen = [Seen(Due(at, "order", b""), seconds, status) for at, seconds, status in orders]
    assert _normal_after_seconds(seen) == 2.0
    assert _normal_after_seconds(seen[:1]) == 0.0
