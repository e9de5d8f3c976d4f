"""The product as it runs in production: web, worker and timer as processes, on PostgreSQL and RabbitMQ."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import requests

from orderapp.config import ROOT
from tests.flow.sandbox_process import SandboxProcess, started
from tests.servers.loopback import HOST, free_port
from tests.servers.process import ServerProcess

BIN = Path(sys.executable).parent
PRODUCTS = {"TEA-GREEN": 1000, "TEA-BLACK": 700, "GIFT-BOX": 2500, "SCALE-01": 4500}
# Everything a little faster than by default, so that a test sees in seconds what takes minutes otherwise.
SETTINGS = {
    "SECRET_KEY": "a secret for tests alone, and long enough",
    **{f"{name}_TIMEOUT": "1,1" for name in ("INVENTORY", "COUPON", "MEMBERSHIP", "SETTLEMENT", "SMS", "SMTP")},
    "SUBMISSION_LEASE_SECONDS": "8",
    "TASK_LEASE_SECONDS": "5",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_MAX_SECONDS": "1",
    "RETRY_ATTEMPTS": "100",
    "TIMER_INTERVAL_SECONDS": "0.2",
}
LONGEST_LEASE_SECONDS = 8.0


class Production:
    """One installation. `start` and `stop`, `kill` and `start` again any of its processes.

    Args:
        folder: Where logs and the sandbox's data go.
        database_url: An empty database, on a server of its own.
        rabbitmq_url: A broker with no queues of ours.
        processes: Their names: `web`, and any number of workers and timers, numbered like `worker-2`.
        coupon_late_seconds: How late a redemption may still appear.
        settings: Environment variables beside SETTINGS.
    """

    def __init__(
        self,
        folder: Path,
        database_url: str,
        rabbitmq_url: str,
        processes: Sequence[str] = ("web", "worker", "timer"),
        coupon_late_seconds: float = 2,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.database_url = database_url
        self.port = free_port()
        self.sandbox = SandboxProcess(
            folder / "sandbox", coupon_late_seconds=coupon_late_seconds, settlement_seconds=0.2
        )
        self.environment = {
            **SETTINGS,
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "RABBITMQ_URL": rabbitmq_url,
            "INSTANCE_PATH": str(folder),
            **self.sandbox.environ(),
            **settings,
        }
        commands = {
            "web": [str(BIN / "gunicorn"), "wsgi:app", "--bind", f"{HOST}:{self.port}", "--workers", "2"],
            "worker": [str(BIN / "dramatiq"), "tasks", "--processes", "1"],
            "timer": [str(BIN / "flask"), "timer"],
        }
        self._commands = {name: commands[name.partition("-")[0]] for name in processes}
        self._running: dict[str, ServerProcess] = {}

    @property
    def base_url(self) -> str:
        """Where the shop, the API and the back office are."""
        return f"http://{HOST}:{self.port}"

    def set_up(self) -> str:
        """Make the tables, import the products, make an API client; return the client's token."""
        self.flask("db", "upgrade")
        products = [
            {"sku": sku, "name": sku.title(), "price": {"value": price, "currency": "EUR"}}
            for sku, price in PRODUCTS.items()
        ]
        file = self.folder / "products.json"
        file.write_text(json.dumps(products))
        self.flask("products", "import", str(file))
        return self.flask("tokens", "create", "till").strip()

    def flask(self, *arguments: str) -> str:
        """Run a `flask` command and return what it printed. Raises CalledProcessError where it fails."""
        command = [str(BIN / "flask"), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    def start(self, *names: str) -> None:
        """Start these processes, or all; the web process answers when this returns."""
        self.launch(*names)
        if "web" in (names or self._commands):
            self._running["web"].wait_until(self._ready, within_seconds=60)

    def launch(self, *names: str) -> None:
        """Start these processes, or all, and wait for none of them."""
        for name in names or self._commands:
            self._running[name] = started(self._commands[name], self.environment, self.log(name))

    def stop(self, *names: str) -> None:
        """Stop these, or all, in order; whoever isn't gone after 20 seconds is killed."""
        for name in names or list(self._running):
            self._running.pop(name).stop(signal.SIGTERM, within_seconds=20)

    def kill(self, *names: str) -> None:
        """End these with all their children by SIGKILL."""
        for name in names:
            self._running.pop(name).kill()

    def is_running(self, name: str) -> bool:
        """Return whether a process has not ended by itself."""
        return name in self._running and self._running[name].running

    def pids(self, name: str) -> list[int]:
        """Return the process ids of a process and its children, its own first; none where it isn't running."""
        process = self._running.get(name)
        return process.family() if process is not None else []

    def log(self, name: str) -> Path:
        """Return the file with a process's output."""
        return self.folder / f"{name}.log"

    def close(self) -> None:
        """Stop everything, the sandbox last: what is under way may still need it."""
        try:
            self.stop()
        finally:
            self.sandbox.stop()

    def _ready(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.base_url}/readyz", timeout=5).ok
        return False
