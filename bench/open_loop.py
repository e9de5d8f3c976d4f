"""An open loop of load: each request leaves when it is due, even if earlier ones have no answer yet.

A connection serves one request at a time and stays open; if all are busy, another one is opened. Times count from
when a request was due, so that one that had to leave late doesn't look fast.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.load import ANSWER_SECONDS, Answered
from bench.workload import Submission
from tests.servers.loopback import HOST

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Due:
    """A request to send.

    Args:
        at_seconds: After the start.
        kind: What it is counted as.
        content: The whole HTTP request.
        submission: The order in it, if there is one.
    """

    at_seconds: float
    kind: str
    content: bytes
    submission: Submission | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A request's answer. Status 0: none came.

    Args:
        seconds: From when it was due until the answer arrived.
        headers: By lower-case name.
    """

    due: Due
    seconds: float
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def as_answered(self) -> Answered | None:
        """Return it as the audit takes it; None if it contained no order."""
        if self.due.submission is None:
            return None
        return Answered(self.due.submission, self.seconds, self.status, self.body)


def evenly(rate_per_second: float, start_seconds: float, seconds: float) -> list[float]:
    """Return the moments of a steady rate, in seconds after the start."""
    return [start_seconds + number / rate_per_second for number in range(round(rate_per_second * seconds))]


def send_when_due(port: int, waiting: list[Due]) -> list[Seen]:
    """Send each request when it is due and return what came of them, in the order of the answers."""
    return asyncio.run(_OpenLoop(port).run(sorted(waiting, key=lambda due: due.at_seconds)))


class _OpenLoop:
    def __init__(self, port: int) -> None:
        self._port = port
        self._free: deque[Streams] = deque()
        self._seen: list[Seen] = []

    async def run(self, waiting: list[Due]) -> list[Seen]:
        started = time.perf_counter()
        async with asyncio.TaskGroup() as sending:
            for due in waiting:
                await asyncio.sleep(max(0.0, started + due.at_seconds - time.perf_counter()))
                sending.create_task(self._send(due, started + due.at_seconds))
        for _, writer in self._free:
            writer.close()
        return self._seen

    async def _send(self, due: Due, due_at: float) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # The one that has been free for the longest: the web processes get about equal shares.
                streams = self._free.popleft() if self._free else await asyncio.open_connection(HOST, self._port)
                reader, writer = streams
                writer.write(due.content)
                status, headers, body = await _read_answer(reader)
        except (OSError, EOFError, TimeoutError):
            self._seen.append(Seen(due, time.perf_counter() - due_at, 0))
            return
        self._seen.append(Seen(due, time.perf_counter() - due_at, status, headers, body))
        self._keep(streams, headers)

    def _keep(self, streams: Streams, headers: Mapping[str, str]) -> None:
        if headers.get("connection", "").lower() == "close":
            streams[1].close()
        else:
            self._free.append(streams)


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return int(first.split(" ", 2)[1]), headers, await reader.readexactly(int(headers["content-length"]))
