"""`make overload`: orderapp by itself: idle, beyond its capacity, with a system that hangs. Part of `make bench`."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass

from bench.cells import Cell
from bench.contestants import Product
from bench.idle import Idle, idle_markdown, measure_idle
from bench.measuring import measure
from bench.overload import Overload, measure_overload, overload_markdown
from bench.rounds import warm_up
from bench.slow_system import SlowSystem, measure_slow_system, slow_system_markdown
from bench.surroundings import Surroundings, running_surroundings, say
from orderapp.no_arguments import refuse_arguments
from tests.servers.process import ServerDiedError

# Twice as many clients as there are threads in the web processes: all are busy, and nobody is turned away.
CAPACITY, CAPACITY_ORDERS = Cell(0, 64), 600


@dataclass(frozen=True, slots=True)
class Alone:
    """What was found of orderapp by itself."""

    idle: Idle
    overload: Overload
    slow_system: SlowSystem

    @property
    def wrong(self) -> list[str]:
        """A line for each effect that is missing, double or stray."""
        return [f"orderapp: {line}" for line in (*self.overload.wrong, *self.slow_system.wrong)]


def measure_alone(product: Product, around: Surroundings) -> Alone:
    """Start the product, which has to be prepared, let it get warm and measure it."""
    with product.running():
        say("orderapp alone: warm-up, then idle")
        warm_up(product, around)
        idle = measure_idle(product, around)
        say("orderapp alone: three times as many orders as it can place")
        capacity_per_second = measure(
            product, around.systems, CAPACITY, CAPACITY_ORDERS, around.servers
        ).done_per_second
        overload = measure_overload(product, around, capacity_per_second)
        say("orderapp alone: a system that hangs")
        return Alone(idle, overload, measure_slow_system(product, around, capacity_per_second))


def alone_markdown(alone: Alone) -> str:
    """Return all of it."""
    parts = (idle_markdown(alone.idle), overload_markdown(alone.overload), slow_system_markdown(alone.slow_system))
    return "\n\n".join(parts)


def main() -> int:
    """Measure, print and write it; return 1 where an effect is missing, double or stray."""
    with running_surroundings() as around:
        product = Product(around.servers, around.systems.url, around.logs)
        product.prepare()
        alone = measure_alone(product, around)
        around.keep("alone", asdict(alone), alone_markdown(alone))
    return 1 if alone.wrong else 0


if __name__ == "__main__":
    refuse_arguments("bench.alone", __doc__)
    try:
        sys.exit(main())
    except ServerDiedError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; what was measured so far is not written")
