"""A server that says whatever a test wants it to, byte by byte."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.servers.loopback import HOST

# A server's own wait for the other side: longer than any call in these tests takes, shorter than anybody's patience.
PATIENCE_SECONDS = 10


class Talk:
    """One connection, seen from the server."""

    def __init__(self, connection: socket.socket, number: int, stopping: threading.Event) -> None:
        self.connection = connection
        self.number = number  # 1 for the server's first connection
        self.stopping = stopping
        self._buffer = b""

    def read_until(self, end: bytes) -> bytes:
        """Return what comes up to and with `end`; ConnectionError where the other side ends before."""
        while end not in self._buffer:
            received = self.connection.recv(65_536)
            if not received:
                raise ConnectionError("the other side has ended")
            self._buffer += received
        read, _, self._buffer = self._buffer.partition(end)
        return read + end

    def read_request(self) -> bytes:
        """Return an HTTP request, head and body."""
        head = self.read_until(b"\r\n\r\n")
        lengths = [
            line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        ]
        missing = int(lengths[0]) if lengths else 0
        while len(self._buffer) < missing:
            self._buffer += self.connection.recv(65_536)
        body, self._buffer = self._buffer[:missing], self._buffer[missing:]
        return head + body

    def say(self, *pieces: bytes) -> None:
        """Send it all at once."""
        self.connection.sendall(b"".join(pieces))

    def drip(self, text: bytes, every_seconds: float = 0.05) -> None:
        """Send byte by byte, over and over, until the other side or the test ends."""
        while True:
            for byte in text:
                self.connection.sendall(bytes([byte]))
                if self.stopping.wait(every_seconds):
                    return

    def stall(self) -> None:
        """Say nothing more until the test ends."""
        self.stopping.wait(PATIENCE_SECONDS)

    def reset(self) -> None:
        """Cut the connection off: the other side gets a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wrap(self, context: ssl.SSLContext) -> None:
        """Go on over TLS."""
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self._buffer = b""


class RawServer:
    """Talks to each connection in a thread of its own. `talks` has them all, in the order in which they came."""

    def __init__(self, talk: Callable[[Talk], None]) -> None:
        self.talks: list[Talk] = []
        self.came = threading.Semaphore(0)
        self._talk = talk
        self._stopping = threading.Event()
        self._socket = socket.create_server((HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """The address for HTTP."""
        return f"http://{HOST}:{self.port}"

    def stop(self) -> None:
        """End every connection and wait for all threads; harmless when stopped already."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        # Waking up accept by closing its socket is not what every system does; a connection is.
        with socket.socket() as last:
            last.connect((HOST, self.port))
        self._threads[0].join(PATIENCE_SECONDS)
        for talk in self.talks:
            with suppress(OSError):
                talk.connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
        self._socket.close()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            if self._stopping.is_set():
                connection.close()
                return
            connection.settimeout(PATIENCE_SECONDS)
            talk = Talk(connection, len(self.talks) + 1, self._stopping)
            self.talks.append(talk)
            self._threads.append(threading.Thread(target=self._serve, args=(talk,), daemon=True))
            self._threads[-1].start()
            self.came.release()

    def _serve(self, talk: Talk) -> None:
        # The other side may go at any time; that is what many of these tests are about.
        with suppress(OSError):
            self._talk(talk)
        talk.connection.close()


@contextmanager
def serving(talk: Callable[[Talk], None]) -> Iterator[RawServer]:
    """Run a server inside the block."""
    server = RawServer(talk)
    try:
        yield server
    finally:
        server.stop()


def http_answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole HTTP answer, kept alive."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


@contextmanager
def silent_port() -> Iterator[int]:
    """A port of all loopback addresses that answers to nobody: its queue of new connections is full."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex((HOST, port))
        try:
            yield port
        finally:
            for one in waiting:
                one.close()


def several_addresses(port: int) -> Callable[..., list[tuple[object, ...]]]:
    """Answer, in place of `socket.getaddrinfo`, that every host has eight addresses of loopback."""
    addresses = [f"127.0.0.{last}" for last in range(1, 9)]
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in addresses]
