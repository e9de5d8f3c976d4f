"""How fast old orders leave for a file."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.growth.sized import Sized
from orderapp.services.archive.archive import archive
from orderapp.services.db.audit import COMMAND_LINE

ORDERS = 20_000  # some ten seconds
AGE_SECONDS = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Archiving:
    """What was moved, how fast, and how long a line is."""

    orders: int
    per_second: float
    bytes_per_order: float


def archive_some(sized: Sized, folder: Path) -> Archiving:
    """Move the oldest ORDERS orders, or all that are old enough, as `flask archive` does."""
    file, stop = folder / "orders.jsonl", threading.Event()

    def progress(moved: int) -> None:
        if moved >= ORDERS:
            stop.set()

    with sized.app.app_context():
        started = time.perf_counter()
        moved = archive(AGE_SECONDS, file, COMMAND_LINE, sized.shop.settings, progress, stop)
        seconds = time.perf_counter() - started
    return Archiving(moved.orders, moved.orders / seconds, file.stat().st_size / moved.orders)
