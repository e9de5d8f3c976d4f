"""Connections to a web server, spread evenly over its worker processes.

Which worker accepts a connection is chance, and an uneven split moves the rate by a third.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from pathlib import Path

from bench.processes import children

HOST = "127.0.0.1"
ACCEPT_SECONDS = 2.0  # a worker accepts within a millisecond
TRIES_PER_CONNECTION = 12


def connect_evenly(port: int, count: int, server_pid: int) -> list[socket.socket]:
    """Return `count` connections, as many to each child of the server as to the others.

    Where that can't be found out (no /proc), or chance doesn't give it within some tries, as they come.
    """
    workers = children(server_pid)
    fair_share = max(1, count // max(1, len(workers)))
    taken: list[socket.socket] = []
    spare: list[socket.socket] = []
    per_worker: Counter[int] = Counter()
    for _ in range(TRIES_PER_CONNECTION * count):
        made = socket.create_connection((HOST, port), timeout=ACCEPT_SECONDS)
        owner = _owner(made, workers)
        fits = per_worker[owner] < fair_share
        per_worker[owner] += fits
        (taken if fits else spare).append(made)
        if len(taken) == count:
            break
    taken += spare[: count - len(taken)]
    for one in spare:
        if one not in taken:
            one.close()
    return taken


def _owner(connection: socket.socket, workers: list[int]) -> int:
    """Return the process that accepted a connection; 0 if it is unknown."""
    gives_up_at = time.monotonic() + (ACCEPT_SECONDS if Path("/proc/net/tcp").exists() else 0)
    while time.monotonic() < gives_up_at:
        inode = _server_side(connection)
        for pid in workers:
            if inode and _has_open(pid, inode):
                return pid
        time.sleep(0.001)
    return 0


def _server_side(connection: socket.socket) -> str:
    """Return the inode of the other end; empty until it is accepted."""
    ours, theirs = (f":{port:04X}" for port in (connection.getsockname()[1], connection.getpeername()[1]))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1].endswith(theirs) and columns[2].endswith(ours):
            return "" if columns[9] == "0" else columns[9]
    return ""


def _has_open(pid: int, inode: str) -> bool:
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                return True
        except OSError:  # closed while we looked
            continue
    return False
