"""Measures one hanging system's effect on the orders that need it, on other orders, and on the shop's pages."""

from __future__ import annotations

from dataclasses import dataclass

from bench.audit import audit
from bench.contestants import Product
from bench.measuring import wait_until_done
from bench.open_loop import Due, Seen, evenly, send_when_due
from bench.surroundings import Surroundings
from bench.tallies import Tally, tallies_markdown, tally
from bench.workload import submissions

HANGING, HANGS_SECONDS = "coupon", 5.0  # longer than orderapp waits for any answer (3 s)
BEFORE_SECONDS = 10.0
DURING_SECONDS = 20.0  # several of the waits, and of the rests that a system is given after them
# Each kind of order at a quarter of the capacity: together they leave half of it free.
ORDERS_OF_CAPACITY = 0.25
PAGES_PER_SECOND = 5.0
WITHOUT, WITH, PAGE = "orders without a coupon", "orders with a coupon", "pages of the shop"
PAGE_REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass(frozen=True, slots=True)
class SlowSystem:
    """What was found.

    Args:
        tallies: For each kind of request one before and one while the system hangs.
        wrong: Effects that are missing, double or stray, a line each.
    """

    tallies: list[Tally]
    wrong: list[str]


def measure_slow_system(product: Product, around: Surroundings, capacity_per_second: float) -> SlowSystem:
    """Send orders and page views at a steady rate; after a while, let the coupon system hang."""
    around.systems.reset(0)
    rate = capacity_per_second * ORDERS_OF_CAPACITY
    before = send_when_due(product.port, _schedule(product.token, rate, BEFORE_SECONDS, first=0))
    around.systems.slow_down({HANGING: HANGS_SECONDS})
    during = send_when_due(product.port, _schedule(product.token, rate, DURING_SECONDS, first=len(before)))
    around.systems.slow_down({})
    answers = [answered for one in (*before, *during) if (answered := one.as_answered())]
    wait_until_done(product, around.systems, sum(one.confirmed for one in answers))
    stretches = (("before", before, BEFORE_SECONDS), ("while it hangs", during, DURING_SECONDS))
    return SlowSystem(
        tallies=[
            tally(f"{kind}, {when}", _of_kind(seen, kind), seconds)
            for kind in (WITHOUT, PAGE, WITH)
            for when, seen, seconds in stretches
        ],
        wrong=audit(answers, around.systems.effects()["effects"]),
    )


def slow_system_markdown(slow: SlowSystem) -> str:
    """Return it as a sentence and a table."""
    kept = "Afterwards each book was right." if not slow.wrong else "AFTERWARDS EFFECTS WERE WRONG."
    return "\n\n".join(
        (
            f"One system ({HANGING}) takes {HANGS_SECONDS:.0f} s for each answer. {kept}",
            tallies_markdown(slow.tallies),
        )
    )


def _schedule(token: str, rate_per_second: float, seconds: float, first: int) -> list[Due]:
    """Return requests of all three kinds; the customers' numbers begin with `first`."""
    moments = evenly(rate_per_second, 0, seconds)
    without = submissions(len(moments), first=first, with_coupon=False)
    including = submissions(len(moments), first=first + len(moments))
    return [
        *(Due(at, PAGE, PAGE_REQUEST) for at in evenly(PAGES_PER_SECOND, 0, seconds)),
        *(Due(at, WITHOUT, one.request(token), one) for at, one in zip(moments, without, strict=True)),
        *(Due(at, WITH, one.request(token), one) for at, one in zip(moments, including, strict=True)),
    ]


def _of_kind(seen: list[Seen], kind: str) -> list[Seen]:
    return [one for one in seen if one.due.kind == kind]
