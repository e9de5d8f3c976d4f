"""Processor time of process trees, and of the whole machine, from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; none where there is no /proc."""
    found: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, listing.read_text().split())
    return found


def used_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that processes, their children and their ended children have used so far."""
    total = 0.0
    for pid in pids:
        with suppress(OSError):
            columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # proc(5): user and system time, of the process and of the children that it has waited for.
            total += sum(map(int, columns[11:15])) / TICKS_PER_SECOND
        total += used_seconds(children(pid))
    return total


def resident_mb(pid: int) -> float:
    """Return the memory that a process and its children hold, what they share counted once (PSS); 0 without /proc."""
    total = 0.0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) / 1024
    return total + sum(map(resident_mb, children(pid)))


def held_mb(pid: int) -> list[float]:
    """Return the memory that no other process has (USS) of a process and each of its descendants, its own first."""
    held = 0.0
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                held += int(line.split()[1]) / 1024
    return [held, *(mb for child in children(pid) for mb in held_mb(child))]


def busy_seconds() -> float:
    """Return the processor time that the whole machine has used so far."""
    with suppress(OSError):
        columns = [int(column) for column in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return (sum(columns) - columns[3] - columns[4]) / TICKS_PER_SECOND  # all but idle and waiting for disks
    return 0.0
