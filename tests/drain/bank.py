"""A settlement system that can be switched off, and notes when each call comes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.loopback import HOST


class Bank:
    """Speaks the keyed protocol; while `down` it answers 503. Times are on this process's monotonic clock."""

    def __init__(self) -> None:
        self.down = True
        self.calls: list[float] = []
        self.settled: dict[str, float] = {}
        self.before_answering: Callable[[str], None] = lambda key: None
        bank = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(503 if bank.down else 404, {"error": {"code": "not_found", "message": ""}})

            def do_POST(self) -> None:
                bank.calls.append(time.monotonic())
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if bank.down:
                    self._answer(503, {"error": {"code": "maintenance", "message": ""}})
                    return
                key = self.headers["Idempotency-Key"]
                bank.before_answering(key)
                bank.settled.setdefault(key, time.monotonic())
                self._answer(201, {"settlement": {"key": key, "state": "settled"}})

            def _answer(self, status: int, body: dict[str, Any]) -> None:
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def most_in_a_second(self) -> int:
        """Return how many calls came in the fullest second."""
        most, first = 0, 0
        times = sorted(self.calls)
        for place, moment in enumerate(times):
            while moment - times[first] >= 1.0:
                first += 1
            most = max(most, place - first + 1)
        return most

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
