"""The stand-in for the external systems, from outside: started, set, asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from bench.programs import Programs
from tests.servers.loopback import HOST, free_port

READY_SECONDS = 30.0  # it takes one; a loaded machine takes ten


class Systems:
    """A running stand-in.

    Args:
        url: Where it answers.
        pid: Its process.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid
        self._session = requests.Session()

    def reset(self, delay_seconds: float) -> None:
        """Forget all effects; from now on answer after this long."""
        self._tell("reset", {"delay_seconds": delay_seconds})

    def slow_down(self, delays_seconds: Mapping[str, float]) -> None:
        """From now on let these systems, and no others, take this long for each answer; nothing is forgotten."""
        self._tell("slow", dict(delays_seconds))

    def totals(self) -> dict[str, int]:
        """Return how many effects of each system are in place."""
        totals: dict[str, int] = self._ask("totals")
        return totals

    def effects(self) -> dict[str, Any]:
        """Return every effect by system and order (`effects`), and how many `calls` and `repeats` there were."""
        effects: dict[str, Any] = self._ask("effects")
        return effects

    def _tell(self, what: str, content: dict[str, float]) -> None:
        self._session.post(f"{self.url}/bench/{what}", json=content, timeout=5).raise_for_status()

    def _ask(self, what: str) -> Any:
        return self._session.get(f"{self.url}/bench/{what}", timeout=30).json()


@contextmanager
def running_systems(logs: Path) -> Iterator[Systems]:
    """Run the stand-in inside the block, its log in `logs`."""
    port, programs = free_port(), Programs(logs, {})
    url = f"http://{HOST}:{port}"
    try:
        process = programs.start("systems", "python", "-m", "bench.stand_in", str(port))
        process.wait_until(lambda: _answers(url), within_seconds=READY_SECONDS)
        yield Systems(url, process.pid)
    finally:
        programs.stop()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/bench/totals", timeout=1).ok
    except requests.RequestException:
        return False
