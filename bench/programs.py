"""Programs of the project as child processes, started in its folder with an environment of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import ServerDiedError, ServerProcess

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
# Nothing of the caller's own settings may change what is measured.
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


class Programs:
    """Starts programs in the project's folder, with one environment and a log file each; stops what it started.

    Args:
        logs: Where the log files go.
        variables: The programs' environment, beside the few variables that every program needs.
        bin_folder: Where the programs are.
    """

    def __init__(self, logs: Path, variables: Mapping[str, str], bin_folder: Path = BIN) -> None:
        self._logs = logs
        self._bin_folder = bin_folder
        self._environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | dict(variables)
        self._running: dict[str, ServerProcess] = {}

    @property
    def pids(self) -> dict[str, int]:
        """The running programs, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def run(self, program: str, *arguments: str) -> str:
        """Run a program to its end and return its output. Raises ServerDiedError where it fails."""
        ended = subprocess.run(  # noqa: S603 - programs of ours
            [str(self._bin_folder / program), *arguments],
            check=False,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise ServerDiedError(f"{program} {' '.join(arguments)} ended with {ended.returncode}:\n{ended.stderr}")
        return ended.stdout

    def start(self, name: str, program: str, *arguments: str) -> ServerProcess:
        """Start a program that stays."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603 - programs of ours
                [str(self._bin_folder / program), *arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[name] = ServerProcess(child, log)
        return self._running[name]

    def stop(self) -> None:
        """Stop everything, the newest first."""
        for process in reversed(self._running.values()):
            # What is measured is over, so nothing is under way; ten seconds are for a loaded machine.
            process.stop(signal.SIGTERM, within_seconds=10)
        self._running.clear()
