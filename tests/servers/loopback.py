"""Free ports of loopback, and waiting until something answers there."""

import itertools
import os
import random
import socket
import time
from collections.abc import Callable

HOST = "127.0.0.1"

# Below the range from which Linux takes ports for outgoing connections (32768 and up): a server that is stopped for a
# while must find its port still free when it starts again.
_PORTS = range(20_000, 32_000)
# Each process of a parallel run has ports of its own, so that none takes one whose server is only being restarted.
_MOST_WORKERS = 8
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS

_share = random.sample(_PORTS[_WORKER::_MOST_WORKERS], len(_PORTS) // _MOST_WORKERS)
_ours = itertools.cycle(_share)


def keep_share(number: int, of: int) -> None:
    """Restrict a fork, the `number`th (from 0) `of` several of one process, to ports that no other fork is given."""
    global _ours  # noqa: PLW0603 - each process has one sequence of ports
    _ours = itertools.cycle(_share[number::of])


def free_port() -> int:
    """Return a TCP port of loopback on which nothing listens. Raises RuntimeError where none is found.

    No port is returned twice until all have been, so two calls before listening give two ports.
    """
    for port in itertools.islice(_ours, 100):
        with socket.socket() as candidate:
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port among 100 tried between {_PORTS.start} and {_PORTS.stop} on {HOST}")


def poll_until(condition: Callable[[], bool], *, within_seconds: float, interval_seconds: float = 0.05) -> bool:
    """Return True as soon as `condition()` holds, False where it doesn't within the time given."""
    give_up_at = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(interval_seconds)
    return True
