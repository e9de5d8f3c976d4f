"""Faults of the HTTP systems, made between the server and the stand-ins, so that the client sees real ones.

Raising ConnectionAbortedError makes the server close the connection immediately, without another byte.
"""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.test import run_wsgi_app

from orderapp.sandbox.answers import Problem, canonical
from orderapp.sandbox.faults import DO, Fault, FaultBoard
from orderapp.sandbox.keyed import REFUSES
from orderapp.sandbox.late_effects import LateEffects
from orderapp.sandbox.stand_in import StandIn
from orderapp.sandbox.wrong_answers import CLEARLY_WRONG, WRONG_ANSWERS, wrong_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MEGABYTE = 1_000_000
HUGE_MEGABYTES = 20  # enough to notice a client that reads without a limit, not enough to hurt the machine
FLOOD_PAUSE_SECONDS = 0.1  # between two '100 Continue': each comes well inside any read time-out


@dataclass(frozen=True)
class Call:
    """One call that gets a fault."""

    app: WSGIApplication
    environ: WSGIEnvironment
    start_response: StartResponse
    kind: str  # do, undo or read
    fault: Fault
    stand_in: StandIn
    board: FaultBoard
    late: LateEffects

    @property
    def seconds(self) -> float:
        """Return how many seconds the fault takes."""
        return self.fault.seconds or 0

    def perform(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """Let the stand-in handle the call; return status, headers and body of its true answer."""
        parts, status, headers = run_wsgi_app(self.app, self.environ, buffered=True)
        return status, headers.to_wsgi_list(), b"".join(parts)

    def pause(self, seconds: float) -> None:
        """Wait, unless the sandbox stops."""
        self.board.stopping.wait(seconds)

    def say(self, status: str, headers: list[tuple[str, str]], body: bytes) -> Iterable[bytes]:
        """Answer."""
        self.start_response(status, headers)
        return [body]

    def say_no(self, problem: Problem, **headers: str) -> Iterable[bytes]:
        """Answer with an error in this system's format."""
        body = canonical(self.stand_in.error_body(problem)).encode()
        return self.say(f"{problem.status} {problem.code}", _head("application/json", body, **headers), body)

    def send_raw(self, data: bytes) -> None:
        """Send bytes past the server."""
        connection: socket.socket = self.environ["werkzeug.socket"]
        connection.sendall(data)


def _head(content_type: str, body: bytes, **headers: str) -> list[tuple[str, str]]:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return [("Content-Type", content_type), ("Content-Length", str(len(body))), *named]


def _down(call: Call) -> Iterable[bytes]:
    connection: socket.socket = call.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
    raise ConnectionAbortedError(call.fault.name)


def _slow(call: Call) -> Iterable[bytes]:
    answer = call.perform()
    call.pause(call.seconds)
    return call.say(*answer)


def _refuses(call: Call) -> Iterable[bytes]:
    if call.stand_in.keyed and call.kind == DO:
        call.environ[REFUSES] = True  # the stand-in remembers the refusal with the key
        return call.say(*call.perform())
    return call.say_no(call.stand_in.refusal)


def _unauthorized(call: Call) -> Iterable[bytes]:
    return call.say_no(Problem(401, "unauthorized", "The sandbox was told not to know you."))


def _rate_limited(call: Call) -> Iterable[bytes]:
    problem = Problem(429, "rate_limited", "The sandbox was told to be busy.")
    return call.say_no(problem, Retry_After=call.fault.detail or f"{call.seconds:.0f}")


def _unavailable(call: Call) -> Iterable[bytes]:
    problem = Problem(503, "unavailable", "The sandbox was told to be unavailable.")
    return call.say_no(problem, Retry_After=call.fault.detail or f"{call.seconds:.0f}")


def _error_before(call: Call) -> Iterable[bytes]:
    return call.say_no(Problem(500, "internal_error", "The sandbox was told to fail."))


def _error_after(call: Call) -> Iterable[bytes]:
    call.perform()
    return _error_before(call)


def _cut_before(call: Call) -> Iterable[bytes]:
    raise ConnectionAbortedError(f"{call.fault.name}: nothing was done")


def _cut_after(call: Call) -> Iterator[bytes]:
    status, headers, body = call.perform()
    call.start_response(status, headers)
    yield body[: len(body) // 2]
    raise ConnectionAbortedError(f"{call.fault.name}: it was done")


def _late_effect(call: Call) -> Iterable[bytes]:
    latest = call.stand_in.latest_effect_seconds
    seconds = call.seconds if latest is None else min(call.seconds, latest)
    call.late.start(seconds, call.perform)
    raise ConnectionAbortedError(f"{call.fault.name}: it is done later")


def _garbage(call: Call) -> Iterable[bytes]:
    _status, _headers, true_body = call.perform()
    return _say_nonsense(call, true_body)


def _garbage_before(call: Call) -> Iterable[bytes]:
    return _say_nonsense(call, b'{"status":"ok"}')


def _say_nonsense(call: Call, true_body: bytes) -> Iterable[bytes]:
    kind = (
        call.fault.detail
        if call.fault.detail in WRONG_ANSWERS
        else call.board.choice(call.stand_in.name, CLEARLY_WRONG)
    )
    content_type, body = wrong_answer(kind, true_body)
    return call.say("200 OK", _head(content_type, body), body)


def _drip(call: Call) -> Iterator[bytes]:
    status, headers, body = call.perform()
    call.start_response(status, headers)
    for byte in body:
        yield bytes([byte])
        call.pause(call.seconds)


def _stall(call: Call) -> Iterator[bytes]:
    status, headers, body = call.perform()
    call.start_response(status, headers)
    yield b""  # sends the head
    call.pause(call.seconds)
    yield body


def _huge(call: Call) -> Iterator[bytes]:
    call.perform()
    call.start_response("200 OK", [("Content-Type", "application/json")])
    yield b'{"padding":"'
    for _ in range(HUGE_MEGABYTES):
        yield b"x" * MEGABYTE
    yield b'"}'


def _gzip_bomb(call: Call) -> Iterable[bytes]:
    call.perform()
    body = gzip.compress(b'{"padding":"' + b"x" * HUGE_MEGABYTES * MEGABYTE + b'"}')
    return call.say("200 OK", _head("application/json", body, Content_Encoding="gzip"), body)


def _endless_headers(call: Call) -> Iterable[bytes]:
    call.perform()
    call.send_raw(b"HTTP/1.1 200 OK\r\n")
    for _ in range(HUGE_MEGABYTES * 1000):
        call.send_raw(b"X-Filler: " + b"x" * 988 + b"\r\n")
    raise ConnectionAbortedError(f"{call.fault.name}: it was done")


def _continue_flood(call: Call) -> Iterable[bytes]:
    call.perform()
    for _ in range(int(call.seconds / FLOOD_PAUSE_SECONDS)):
        call.send_raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        call.pause(FLOOD_PAUSE_SECONDS)
        if call.board.stopping.is_set():
            break
    raise ConnectionAbortedError(f"{call.fault.name}: it was done")


def _redirect(call: Call) -> Iterable[bytes]:
    return call.say("302 Found", _head("text/plain", b"", Location="/"), b"")


ACTS: dict[str, Callable[[Call], Iterable[bytes]]] = {
    "down": _down,
    "slow": _slow,
    "refuses": _refuses,
    "unauthorized": _unauthorized,
    "rate_limited": _rate_limited,
    "unavailable": _unavailable,
    "error_before": _error_before,
    "error_after": _error_after,
    "cut_before": _cut_before,
    "cut_after": _cut_after,
    "late_effect": _late_effect,
    "garbage": _garbage,
    "garbage_before": _garbage_before,
    "drip": _drip,
    "stall": _stall,
    "huge": _huge,
    "gzip_bomb": _gzip_bomb,
    "endless_headers": _endless_headers,
    "continue_flood": _continue_flood,
    "redirect": _redirect,
}
