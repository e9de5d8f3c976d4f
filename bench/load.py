"""The load generator: a closed loop of N clients, each with one connection that stays open, in one process.

A client sends its next order as soon as its last one is answered, so there are never more than N under way.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.workload import Submission

ANSWER_SECONDS = 60.0  # a submission's calls take 20 s at the very most; who needs longer hangs


@dataclass(frozen=True, slots=True)
class Answered:
    """A submission's answer. Status 0: none came."""

    submission: Submission
    seconds: float
    status: int
    body: bytes

    @property
    def confirmed(self) -> bool:
        """Whether the shop said that the order is confirmed."""
        return self.status == 201

    @property
    def reason(self) -> str:
        """Why the order is not confirmed."""
        return reason(self.status, self.body)

    @property
    def order(self) -> dict[str, Any]:
        """The order in the answer; empty where there is none."""
        try:
            order: dict[str, Any] = json.loads(self.body)["order"]
        except (ValueError, KeyError):
            return {}
        return order


def reason(status: int, body: bytes) -> str:
    """Return an answer's status and its code; status 0: no answer came."""
    try:
        return f"{status} {json.loads(body)['code']}"
    except (ValueError, KeyError, TypeError):
        return str(status)


@dataclass(slots=True)
class Load:
    """What a run of the load generator saw."""

    seconds: float = 0.0
    answers: list[Answered] = field(default_factory=list)


def submit_all(submissions: list[Submission], token: str, sockets: list[socket.socket]) -> Load:
    """Submit all orders over these connections, each its next as soon as it can; the connections are closed after."""
    return asyncio.run(_submit_all(submissions, token, sockets))


async def _submit_all(submissions: list[Submission], token: str, sockets: list[socket.socket]) -> Load:
    load, waiting = Load(), iter(submissions)
    streams = [await asyncio.open_connection(sock=one) for one in sockets]
    started = time.perf_counter()
    await asyncio.gather(*(_client(reader, writer, waiting, token, load) for reader, writer in streams))
    load.seconds = time.perf_counter() - started
    for _, writer in streams:
        writer.close()
    return load


async def _client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Iterator[Submission], token: str, load: Load
) -> None:
    for submission in waiting:
        request = submission.request(token)
        started = time.perf_counter()
        writer.write(request)
        try:
            status, body = await asyncio.wait_for(_read_answer(reader), ANSWER_SECONDS)
        except (OSError, EOFError, TimeoutError):
            # The other clients do the rest; the audit reports an order without an answer.
            load.answers.append(Answered(submission, time.perf_counter() - started, 0, b""))
            return
        load.answers.append(Answered(submission, time.perf_counter() - started, status, body))


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    return int(head.split(" ", 2)[1]), await reader.readexactly(length)
