"""How many orders a benchmark is to submit, as its caller says."""

from __future__ import annotations

import os
import sys

MOST = 1_000_000  # at fifty a second more than five hours


def orders_wanted(default: int, least: int) -> int:
    """Return `BENCH_ORDERS`, or the default where it isn't set; ends the program in one line where it is wrong."""
    raw = os.environ.get("BENCH_ORDERS") or str(default)
    if not (raw.isascii() and raw.isdecimal()) or not least <= int(raw) <= MOST:
        sys.exit(f"bench: BENCH_ORDERS: {raw!r} is not a number from {least} to {MOST}")
    return int(raw)
