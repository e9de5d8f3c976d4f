"""`make bench`: orderapp beside a plain baseline, in turns, on the same servers and external systems.

`BENCH_ORDERS` (default 160) is how many orders 16 clients submit in one measurement; one client submits an eighth.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import requests

from bench.contestants import Baseline, Contestant, Product
from bench.measuring import Cell, Measured, Systems, measure
from bench.programs import ROOT, Programs
from bench.report import markdown
from bench.servers import Servers, running_servers
from tests.servers.loopback import HOST, free_port
from tests.servers.process import ServerDiedError

ROUNDS = 3  # the least that has a median
WARM_UP_ORDERS = 64  # four for each client
CELLS = [Cell(delay_ms, clients) for delay_ms in (0, 20) for clients in (1, 16, 64)]
RESULTS = ROOT / "build" / "bench"


def main() -> int:
    """Measure, print the table and write the JSON; return 1 where an effect is missing, double or stray."""
    orders = _orders()
    logs = RESULTS / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    _say("Starting the servers and the external systems ...")
    with tempfile.TemporaryDirectory(prefix="orderapp-bench-") as folder, ExitStack() as stack:
        servers = stack.enter_context(running_servers(Path(folder)))
        if servers.remark:
            _say(servers.remark)
        systems = stack.enter_context(_running_systems(logs))
        contestants = [kind(servers, systems.url, logs) for kind in (Baseline, Product)]
        for contestant in contestants:
            contestant.prepare()
        measured: list[Measured] = []
        for number in range(1, ROUNDS + 1):
            # The machine gets faster and slower: whoever was first in this round is last in the next.
            for contestant in contestants if number % 2 else reversed(contestants):
                _say(f"Round {number} of {ROUNDS}: {contestant.name}")
                measured += _all_cells(contestant, systems, servers, orders)
    return _report(measured, servers, orders)


def _all_cells(contestant: Contestant, systems: Systems, servers: Servers, orders: int) -> Iterator[Measured]:
    """Run a contestant, nothing else at work meanwhile, and measure each cell."""
    with contestant.running():
        # Connections, caches, and the first pages of each table.
        measure(contestant, systems, Cell(0, 16), WARM_UP_ORDERS, {})
        for cell in CELLS:
            wanted = orders if cell.clients > 1 else orders // 8
            one = measure(contestant, systems, cell, wanted, servers.pids)
            _say(
                f"  {cell.delay_ms:2} ms, {cell.clients:2} clients: {one.done_per_second:4.0f} orders/s all done, "
                f"p50 {one.submit_ms['p50']:4.0f} ms, programs of others used {one.other_processors:.1f} processors"
                f"{', WRONG EFFECTS' if one.wrong else ''}"
            )
            yield one


def _report(measured: list[Measured], servers: Servers, orders: int) -> int:
    result = {
        "form": servers.title,
        "orders": orders,
        "rounds": ROUNDS,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "measured": [asdict(one) for one in measured],
    }
    (RESULTS / "result.json").write_text(json.dumps(result, indent=1))
    text = markdown(measured, f"{servers.title}; {os.cpu_count()} processors; {ROUNDS} rounds.")
    (RESULTS / "result.md").write_text(text)
    _say(f"\n{text}")
    wrong = [line for one in measured for line in one.wrong]
    unconfirmed = sum(one.unconfirmed for one in measured)
    _say("\n".join(wrong[:20]) or "Each effect of each confirmed order is in place exactly once, and no other.")
    if unconfirmed:
        _say(f"{unconfirmed} orders were not confirmed; the logs tell why.")
    _say(f"Everything that was measured is in {RESULTS.relative_to(ROOT)}/.")
    return 1 if wrong else 0


@contextmanager
def _running_systems(logs: Path) -> Iterator[Systems]:
    port, programs = free_port(), Programs(logs, {})
    url = f"http://{HOST}:{port}"
    try:
        process = programs.start("systems", "python", "-m", "bench.stand_in", str(port))
        process.wait_until(lambda: _answers(url), within_seconds=30)
        yield Systems(url, process.pid)
    finally:
        programs.stop()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/bench/totals", timeout=1).ok
    except requests.RequestException:
        return False


def _orders() -> int:
    raw = os.environ.get("BENCH_ORDERS", "160")
    if not raw.isdecimal() or not 16 <= int(raw) <= 1_000_000:
        sys.exit(f"bench: BENCH_ORDERS: {raw!r} is not a number from 16 to 1000000")
    return int(raw)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured so far is not written")
