"""Sockets that keep to a deadline.

A time-out of `requests`, `http.client` or `smtplib` counts from byte to byte, so a slowly dripping answer can block a
thread forever (psf/requests#4276). These sockets know the deadline of the whole call, and whether any byte of a request
was sent: if none was, that proves "not sent". They also know whether bytes were left unread after an answer: such a
connection is never used again.
"""

from __future__ import annotations

import errno
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# The most bytes that one call may read: sixteen times the largest accepted body, so that endless lines or headers
# don't fill the memory during the call.
MAX_RECEIVED_BYTES = 16 * 1_048_576


class _Call(threading.local):
    """The call this thread is making; a call lives within one thread."""

    ends_at: float | None = None
    received_bytes = 0
    permits: Callable[[str], bool] | None = None
    # Of the present or last call.
    unreached: bool
    sent: bool


_call = _Call()


@contextmanager
def call_within(total_seconds: float, permits: Callable[[str], bool] | None = None) -> Iterator[_Call]:
    """Limit everything that this thread's bounded sockets do in the block to `total_seconds`.

    The sockets are those of `connect` and `tls_context`.

    Args:
        total_seconds: The time for all of it.
        permits: Says whether a network address may be connected to; any, if not given. It is asked about each address
            that is about to be used, so a name that leads elsewhere from one moment to the next gets nobody further.

    Yields:
        An object that says whether any byte of a request was sent (`sent`), and whether connecting or the handshake
        failed (`unreached`). Together they prove that nothing was sent.
    """
    _call.ends_at, _call.unreached, _call.sent = time.monotonic() + total_seconds, False, False
    _call.received_bytes, _call.permits = 0, permits
    try:
        yield _call
    finally:
        _call.ends_at = _call.permits = None


def seconds_left(at_most: float | None) -> float | None:
    """Return how long the next wait may take. TimeoutError once the call's deadline has passed."""
    if _call.ends_at is None:
        return at_most
    left = _call.ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call's total time is over")
    return left if at_most is None else min(left, at_most)


class _Answers(io.BufferedReader):
    """The reader of a socket's answers; at its end it notes whether anything is left unread."""

    def __init__(self, raw: io.RawIOBase, source: _Bounded) -> None:
        super().__init__(raw)
        self._source = source

    def close(self) -> None:
        """Note whether bytes are unread in this buffer, and close.

        Bytes that are still in the socket are seen by whoever is about to use the connection again.
        """
        if not self.closed:
            self._source.unread = self._source.unread or self._is_left()
        super().close()

    def _is_left(self) -> bool:
        self._source.is_read = True
        try:
            return bool(self.peek(1))
        except OSError:
            return True  # it has timed out: later bytes belong to a call that has ended
        finally:
            self._source.is_read = False


class _Bounded(socket.socket):
    unread = False  # whether more came on it than was asked for
    is_read = False  # whether the answer is read to its end, so that nothing more is taken from the network

    def makefile(self, mode: str = "r", buffering: int | None = None, **kwargs: Any) -> Any:
        """Return a file around the socket; one for reading bytes notes what it leaves unread."""
        if mode != "rb" or buffering is not None:
            return super().makefile(mode, buffering, **kwargs)  # type: ignore[call-overload]
        return _Answers(super().makefile("rb", buffering=0), self)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.is_read:
            raise BlockingIOError(errno.EAGAIN, "the answer is read to its end")
        self._bound()
        if _call.received_bytes > MAX_RECEIVED_BYTES:
            raise OSError(f"more than {MAX_RECEIVED_BYTES} bytes in one call")
        received = super().recv_into(*args, **kwargs)
        _call.received_bytes += received
        return received

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._bound()
        _call.sent = True
        super().sendall(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        # TLS sends its data here in pieces, and each piece would get the full time again.
        self._bound()
        _call.sent = True
        return super().send(*args, **kwargs)

    def _bound(self) -> None:
        """Make the next wait end with the call; skip an unchanged time-out, which would waste a system call."""
        present = self.gettimeout()
        wanted = seconds_left(present)
        if wanted != present:
            self.settimeout(wanted)


class BoundedSocket(_Bounded):
    """A plain socket that keeps to the deadline of `call_within`."""


class BoundedTlsSocket(_Bounded, ssl.SSLSocket):
    """The same over TLS; the handshake is no request, so it doesn't count as sent."""

    @classmethod
    def _create(cls, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
        """Make one around a connection. `ssl` itself would skip the handshake if the other side has reset it.

        Raises:
            OSError: the connection is gone; nothing was sent.
        """
        with _reaching():
            sock.getpeername()
            made = super()._create(sock, *args, **kwargs)  # type: ignore[misc]
            if made.version() is None:
                made.close()
                raise ConnectionResetError("the connection was gone before the handshake")
            return made

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake within the remaining time of the call."""
        with _reaching():
            self.settimeout(seconds_left(self.gettimeout()))
            super().do_handshake(block)


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeError):  # the latter: a name that no name can be
        _call.unreached = True
        raise


@_reaching()
def connect(host: str, port: int, timeout_seconds: float | None) -> BoundedSocket:
    """Connect to a host, trying its addresses in turn, within `timeout_seconds` for all of them together.

    The name itself is looked up by the operating system, which keeps to the time-outs of its own resolver.

    Raises:
        OSError: no address could be reached, or the name isn't known; nothing was sent.
        PermissionError: its addresses may not be connected to; nothing was sent.
    """
    gives_up_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    failed: OSError = OSError(f"{host} has no address")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for untried, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        # Each address gets a share of the remaining time, so that a silent one leaves time for the others.
        share = None if gives_up_at is None else max(0.001, (gives_up_at - time.monotonic()) / untried)
        if _call.permits is not None and not _call.permits(str(address[0])):
            failed = PermissionError(f"{host} leads to a network address that isn't permitted")
            continue
        made = BoundedSocket(family, kind, protocol)
        try:
            made.settimeout(seconds_left(share))
            # Send a request's head and body without waiting for the acknowledgement of the head.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
        except OSError as error:
            made.close()
            failed = error
        else:
            made.settimeout(timeout_seconds)
            return made
    raise failed


def tls_context() -> ssl.SSLContext:
    """Return a verifying TLS context whose sockets are bounded."""
    context = ssl.create_default_context()
    context.sslsocket_class = BoundedTlsSocket
    return context
