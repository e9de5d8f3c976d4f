"""Signals to processes that may end at any moment, and never to others that got their numbers since."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress


class Processes:
    """Handles of processes, inside a `with` block; those that have ended are passed over."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._handles: list[int] = []
        for pid in pids:
            with suppress(ProcessLookupError):
                self._handles.append(os.pidfd_open(pid))

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            os.close(handle)

    def send(self, signal_number: signal.Signals) -> None:
        """Send a signal to each."""
        for handle in self._handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal_number)
