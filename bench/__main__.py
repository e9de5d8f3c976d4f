"""`make bench`: orderapp beside a plain baseline, in turns, on the same servers and external systems.

`BENCH_ORDERS` (default 600) is how many orders many clients submit in one measurement to systems that answer at once;
`BENCH_FORM=sqlite` measures the form of `make run` in place of that for production.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict

from bench.cells import WARM_UP
from bench.contestants import Baseline, Product
from bench.report import markdown
from bench.rounds import ROUNDS, measured_in_turns, wrong_effects
from bench.surroundings import FORMS, running_surroundings
from tests.servers.process import ServerDiedError

# Ten seconds of each contestant's, and twice what the connections need to be warm.
DEFAULT_ORDERS = 600
MOST_WRONG_SHOWN = 20  # more of them tell nothing new


def main() -> int:
    """Measure, print the tables and write the JSON; return 1 where an effect is missing, double or stray."""
    form, orders = _form(), _orders()
    with running_surroundings(form) as around:
        contestants = [kind(around.servers, around.systems.url, around.logs) for kind in (Baseline, Product)]
        measured = measured_in_turns(contestants, around, orders)
        wrong = wrong_effects(measured)
        text = "\n\n".join(
            (
                f"{around.servers.title}; {os.cpu_count()} processors; {ROUNDS} rounds, in each {orders} orders by "
                f"many clients after {sum(WARM_UP.values())} of warm-up. Median [least-most]; ratios are to the "
                "baseline in the same round.",
                markdown(measured),
                "\n".join(wrong[:MOST_WRONG_SHOWN])
                or "Each effect of each confirmed order is in place exactly once, and no other.",
            )
        )
        result = {
            "form": around.servers.title,
            "orders": orders,
            "rounds": ROUNDS,
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "measured": [asdict(one) for one in measured],
        }
        around.keep("result", result, text)
    return 1 if wrong else 0


def _orders() -> int:
    raw = os.environ.get("BENCH_ORDERS") or str(DEFAULT_ORDERS)
    if not raw.isdecimal() or not 16 <= int(raw) <= 1_000_000:
        sys.exit(f"bench: BENCH_ORDERS: {raw!r} is not a number from 16 to 1000000")
    return int(raw)


def _form() -> str:
    form = os.environ.get("BENCH_FORM") or FORMS[0]
    if form not in FORMS:
        sys.exit(f"bench: BENCH_FORM: {form!r} is neither {' nor '.join(FORMS)}")
    return form


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured so far is not written")
