"""Sends three times as many orders as can be placed, for a while, and measures answers, refusals and recovery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.audit import audit
from bench.contestants import Product
from bench.measuring import wait_until_done
from bench.open_loop import Due, Seen, evenly, send_when_due
from bench.surroundings import Surroundings
from bench.tallies import Tally, tallies_markdown, tally
from bench.workload import submissions


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which orders come at a steady rate, a multiple of the capacity."""

    title: str
    of_capacity: float
    seconds: float


FLOOD = Stretch("three times the capacity", 3.0, 20.0)  # several times as long as the longest queue takes
STRETCHES = (
    Stretch("half of the capacity, before", 0.5, 10.0),
    FLOOD,
    Stretch("half of it, the first 5 s after", 0.5, 5.0),
    Stretch("half of it, the next 5 s", 0.5, 5.0),
)


SLOW_SECONDS = 1.0  # people lose their train of thought after longer waits


@dataclass(frozen=True, slots=True)
class Overload:
    """What was found.

    Args:
        capacity_per_second: Orders confirmed and done by a closed loop just before.
        tallies: One for each stretch.
        normal_after_seconds: So long after the flood's end the last order came that was refused or took too long.
        wrong: Effects that are missing, double or stray, a line each.
    """

    capacity_per_second: float
    tallies: list[Tally]
    normal_after_seconds: float
    wrong: list[str]


def measure_overload(product: Product, around: Surroundings, capacity_per_second: float) -> Overload:
    """Let orders come, first few, then far too many, then few. The product must be running and warm."""
    around.systems.reset(0)
    waiting = _schedule(product.token, capacity_per_second)
    seen = send_when_due(product.port, waiting)
    answers = [answered for one in seen if (answered := one.as_answered())]
    wait_until_done(product, around.systems, sum(one.confirmed for one in answers))
    by_stretch = {stretch: [one for one in seen if one.due.kind == stretch.title] for stretch in STRETCHES}
    return Overload(
        capacity_per_second=capacity_per_second,
        tallies=[tally(stretch.title, found, stretch.seconds) for stretch, found in by_stretch.items()],
        normal_after_seconds=_normal_after_seconds(seen),
        wrong=audit(answers, around.systems.effects()["effects"]),
    )


def overload_markdown(overload: Overload) -> str:
    """Return it as a table between two sentences."""
    kept = "no order was lost and none done twice" if not overload.wrong else "EFFECTS WERE WRONG"
    return "\n\n".join(
        (
            f"Beyond capacity, which is {overload.capacity_per_second:.0f} orders/s (64 clients, just before):",
            tallies_markdown(overload.tallies),
            f"The last order that was refused or took more than {SLOW_SECONDS:.0f} s came "
            f"{overload.normal_after_seconds:.1f} s after the flood; {kept}.",
        )
    )


def _schedule(token: str, capacity_per_second: float) -> list[Due]:
    moments: list[tuple[float, str]] = []
    start = 0.0
    for stretch in STRETCHES:
        rate = capacity_per_second * stretch.of_capacity
        moments += [(moment, stretch.title) for moment in evenly(rate, start, stretch.seconds)]
        start += stretch.seconds
    orders = submissions(len(moments))
    return [Due(at, kind, one.request(token), one) for (at, kind), one in zip(moments, orders, strict=True)]


def _normal_after_seconds(seen: Sequence[Seen]) -> float:
    ended = sum(stretch.seconds for stretch in STRETCHES[: STRETCHES.index(FLOOD) + 1])
    late = (one.due.at_seconds - ended for one in seen if one.status != 201 or one.seconds > SLOW_SECONDS)
    return max(0.0, max(late, default=0.0))
