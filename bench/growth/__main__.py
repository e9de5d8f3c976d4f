"""`make growth`: how the cost of each hot query grows with the orders that are kept.

`GROWTH_ORDERS` (default 10000,100000,1000000) are the numbers of orders; each gets a database of its own.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from bench.growth.archiving import archive_some
from bench.growth.idle import idle
from bench.growth.placing import rates
from bench.growth.queries import milliseconds
from bench.growth.report import markdown
from bench.growth.sized import shop_with
from bench.programs import ROOT
from bench.servers import production_servers
from orderapp.logs import set_up_logs
from orderapp.no_arguments import refuse_arguments
from tests.servers.process import ServerDiedError

DEFAULT = "10000,100000,1000000"
MAX_ORDERS = 20_000_000  # six gigabytes and two minutes for each million
RESULTS = ROOT / "build" / "growth"


def main() -> None:
    """Seed each size, measure all of them in turns, print the tables and write them with the JSON."""
    sizes = _sizes()
    set_up_logs(json_lines=False)
    logging.getLogger().setLevel(logging.WARNING)  # each order tells of itself
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="orderapp-growth-") as folder, ExitStack() as stack:
        servers = stack.enter_context(production_servers())
        shops = []
        for orders in (0, *sizes):
            _say(f"Making a shop with {orders:,} finished orders ...")
            shops.append(stack.enter_context(shop_with(orders, servers.new_database(f"orders{orders}"))))
        bytes_used = {}
        for sized in shops:
            with sized.app.app_context():
                bytes_used[sized.orders] = sized.bytes_used()
        _say("Measuring what is asked ...")
        queries = milliseconds(shops[1:])
        _say("Placing orders ...")
        placing = rates(shops)
        _say("Watching the timer with nothing to do ...")
        idleness = {sized.orders: idle(sized.url, servers, RESULTS) for sized in (shops[0], shops[-1])}
        _say("Archiving orders ...")
        archiving = archive_some(shops[-1], Path(folder))
    report = markdown(queries, placing, idleness, bytes_used, archiving)
    result = {
        "form": servers.title,
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "milliseconds": queries,
        "placing": {orders: asdict(one) for orders, one in placing.items()},
        "idle": {orders: asdict(one) for orders, one in idleness.items()},
        "bytes": bytes_used,
        "archive": asdict(archiving),
    }
    (RESULTS / "result.json").write_text(json.dumps(result, indent=1))
    (RESULTS / "result.md").write_text(report)
    _say(f"\n{report}\nEverything that was measured is in {RESULTS.relative_to(ROOT)}/.")


def _sizes() -> list[int]:
    raw = os.environ.get("GROWTH_ORDERS", DEFAULT)
    words = raw.split(",")
    if not all(word.isdecimal() and 1000 <= int(word) <= MAX_ORDERS for word in words):
        sys.exit(f"growth: GROWTH_ORDERS: {raw!r} is no list of numbers from 1000 to {MAX_ORDERS} such as {DEFAULT}")
    return sorted({int(word) for word in words})


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    refuse_arguments("bench.growth", __doc__)
    try:
        main()
    except ServerDiedError as error:
        sys.exit(f"growth: {error}")
    except KeyboardInterrupt:
        sys.exit("growth: stopped; nothing was written")
