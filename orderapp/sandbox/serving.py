"""The sandbox as it runs: a threaded web server and a mail server, on loopback only."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from orderapp.sandbox import create_sandbox, state_of
from orderapp.sandbox.mail import MailServer
from orderapp.sandbox.settings import SandboxSettings

HOST = "127.0.0.1"
POLL_SECONDS = 0.1  # how often the web server looks whether it is to stop
GRACE_SECONDS = 1  # for calls still being answered at a stop; every call of a stand-in is far shorter
SETTLE_SECONDS = 0.02  # at a stop: whoever was let in a moment ago gets a conversation, which can then be ended
IDLE_SECONDS = 30  # after this long a caller that says nothing loses its thread


class SandboxServer:
    """Both servers of one sandbox. Port 0 picks a free one; raises OSError if a port is taken."""

    def __init__(self, settings: SandboxSettings, port: int = 0, smtp_port: int = 0) -> None:
        self._web_socket = _listen(port)
        try:
            self._mail_socket = _listen(smtp_port)
        except OSError:
            self._web_socket.close()
            raise
        self.port: int = self._web_socket.getsockname()[1]
        self.smtp_port: int = self._mail_socket.getsockname()[1]
        app = create_sandbox(settings)
        self._state = state_of(app)
        self._web = _WebServer(HOST, self.port, app, _Handler, fd=self._web_socket.fileno())
        self._loop = asyncio.new_event_loop()
        self._mail_stops = asyncio.Event()
        self._threads = [
            threading.Thread(target=self._web.serve_forever, args=(POLL_SECONDS,), name="sandbox-web", daemon=True),
            threading.Thread(target=self._serve_mail, name="sandbox-mail", daemon=True),
        ]

    def start(self) -> None:
        """Begin to answer; calls made since the construction wait in the sockets."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop answering: give calls under way a moment, end the waits of faults, close the file."""
        self._state.board.stopping.set()
        self._loop.call_soon_threadsafe(self._mail_stops.set)
        self._web.shutdown()
        self._web.cut_connections(GRACE_SECONDS)
        for thread in self._threads:
            thread.join()
        self._web_socket.close()
        self._state.late.stop()
        self._state.store.close()

    def _serve_mail(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._take_mail())

    async def _take_mail(self) -> None:
        mail = MailServer(self._state.store, self._state.board)
        server = await self._loop.create_server(mail.protocol, sock=self._mail_socket)
        await self._mail_stops.wait()
        self._loop.remove_reader(self._mail_socket)  # lets nobody in any more; a closed server would lose who just came
        await asyncio.sleep(SETTLE_SECONDS)
        mail.cut_connections()
        server.close()
        await asyncio.sleep(0)  # lets them end


class _WebServer(ThreadedWSGIServer):
    """One thread per connection; knows its connections, so that a stop can end them."""

    daemon_threads = False
    request_queue_size = 512  # a burst of connections that waits rather than being refused

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self, grace_seconds: float) -> None:
        """Wait until the open connections are done, at most so long, then end the rest."""
        deadline = time.monotonic() + grace_seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.01)
        for connection in list(self._open):
            with suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    """Answers in HTTP/1.1 without a line of log per call."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def connection_dropped(self, *_: Any) -> None:
        """Close the connection, whichever side dropped it; without an answer it would wait for the next request."""
        self.close_connection = True

    def log(self, *_: Any) -> None:
        """Log nothing: effects are in the ledger, and the application logs errors."""


def _listen(port: int) -> socket.socket:
    return socket.create_server((HOST, port), backlog=_WebServer.request_queue_size)
