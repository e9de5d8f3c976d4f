"""The sandbox as a process of its own, with the same handles for tests as the one in threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import requests

from orderapp.config import ROOT
from tests.sandbox.running import RunningSandbox
from tests.servers.process import ServerProcess


class SandboxProcess(RunningSandbox):
    """Starts at once; `stop` and `start` again is a restart on the same ports with the same data."""

    process: ServerProcess | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        folder = self.settings.data.parent
        command = [sys.executable, "-m", "orderapp.sandbox", "--port", str(self.port)]
        command += ["--smtp-port", str(self.smtp_port), "--data", str(self.settings.data)]
        self.process = started(command, {"PATH": os.environ["PATH"], **self.environ()}, folder / "sandbox.log")
        self.process.wait_until(self._answers, within_seconds=30)

    def stop(self) -> None:
        """Stop; harmless when stopped already."""
        if self.process is not None:
            self.process.stop(signal.SIGTERM, within_seconds=10)
            self.process = None

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(f"{self.base_url}/faults.json", timeout=5).ok
        return False


def started(command: list[str], environment: dict[str, str], log: Path) -> ServerProcess:
    """Start a program of ours in its own process group, from the product's folder, its output added to a log."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return ServerProcess(child, log)
