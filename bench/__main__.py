"""`make bench`: orderapp beside a plain baseline, in turns, on the same servers and external systems.

`BENCH_ORDERS` (default 600) is how many orders many clients submit in one measurement to systems that answer at once;
`BENCH_FORM=sqlite` measures the form of `make run` in place of that for production. `BENCH_CELERY=1` measures the plain
shop with Celery too.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict

from bench.alone import alone_markdown, measure_alone
from bench.cells import WARM_UP
from bench.contestants import CELERY_FOLDER, Baseline, Celery, Contestant, Product
from bench.forms import FORMS, form_wanted
from bench.orders_wanted import orders_wanted
from bench.report import disturbance, markdown
from bench.rounds import ROUNDS, measured_in_turns, wrong_effects
from bench.surroundings import running_surroundings
from orderapp.no_arguments import refuse_arguments
from tests.servers.process import ServerDiedError

# Ten seconds of each contestant's, and twice what the connections need to be warm.
DEFAULT_ORDERS = 600
LEAST_ORDERS = 16  # two of them for one client
MOST_WRONG_SHOWN = 20  # more of them tell nothing new


def main() -> int:
    """Measure, print the tables and write the JSON; return 1 where an effect is missing, double or stray."""
    form, orders = form_wanted(), orders_wanted(DEFAULT_ORDERS, least=LEAST_ORDERS)
    kinds: list[type[Contestant]] = [Baseline, *_celery(form), Product]
    with running_surroundings(form) as around:
        contestants = [kind(around.servers, around.systems.url, around.logs) for kind in kinds]
        measured = measured_in_turns(contestants, around, orders)
        alone = [measure_alone(one, around) for one in contestants if isinstance(one, Product) and form == FORMS[0]]
        wrong = wrong_effects(measured) + [line for one in alone for line in one.wrong]
        result = {
            "form": form,
            "servers": around.servers.title,
            "orders": orders,
            "rounds": ROUNDS,
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "measured": [asdict(one) for one in measured],
            "alone": [asdict(one) for one in alone],
        }
        title, tables = _title(around.servers.title, orders), markdown(measured)
        parts = (title, disturbance(measured), tables, *map(alone_markdown, alone), _verdict(wrong))
        around.keep("result", result, "\n\n".join(filter(None, parts)))
    return 1 if wrong else 0


def _title(form: str, orders: int) -> str:
    return (
        f"{form}; {os.cpu_count()} processors; {ROUNDS} rounds, in each {orders} orders by many clients after "
        f"{sum(WARM_UP.values())} of warm-up. Median [least-most]; ratios are to the baseline in the same round."
    )


def _verdict(wrong: list[str]) -> str:
    right = "Each effect of each confirmed order is in place exactly once, and no other."
    return "\n".join(wrong[:MOST_WRONG_SHOWN]) or right


def _celery(form: str) -> list[type[Contestant]]:
    if not os.environ.get("BENCH_CELERY"):
        return []
    if form != FORMS[0]:
        sys.exit("bench: BENCH_CELERY: Celery needs RabbitMQ, which is not part of BENCH_FORM=sqlite")
    if not (CELERY_FOLDER / "bin" / "celery").exists():
        sys.exit("bench: BENCH_CELERY: Celery is not installed; `BENCH_CELERY=1 make bench` does that")
    return [Celery]


if __name__ == "__main__":
    refuse_arguments("bench", __doc__)
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured so far is not written")
