"""How many orders are placed in a second, and how many are also worked off, at each size beside the empty shop."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.growth.sized import Sized

ROUNDS = 80
ORDERS = 15  # a tenth of a second at each size and round: what else the machine does meets all of them alike
WARM_UP_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Rates:
    """Orders in a second, one client, calls answered in the process: median of the rounds, and against the empty shop.

    The ratios are medians of the rounds' ratios.
    """

    placed: float
    done: float
    placed_ratio: float
    done_ratio: float


def rates(shops: Sequence[Sized]) -> dict[int, Rates]:
    """Measure; the first shop is the empty one. In each round all sizes, in another order."""
    placed: dict[int, list[float]] = {sized.orders: [] for sized in shops}
    done: dict[int, list[float]] = {sized.orders: [] for sized in shops}
    for number in range(WARM_UP_ROUNDS + ROUNDS):
        turn = number % len(shops)
        for sized in (*shops[turn:], *shops[:turn]):
            placed_seconds, done_seconds = _place(sized)
            if number >= WARM_UP_ROUNDS:
                placed[sized.orders].append(ORDERS / placed_seconds)
                done[sized.orders].append(ORDERS / done_seconds)
    empty = shops[0].orders
    return {
        orders: Rates(
            median(placed[orders]),
            median(done[orders]),
            _ratio(placed[orders], placed[empty]),
            _ratio(done[orders], done[empty]),
        )
        for orders in placed
    }


def _ratio(rate: list[float], empty: list[float]) -> float:
    return median(one / other for one, other in zip(rate, empty, strict=True))


def _place(sized: Sized) -> tuple[float, float]:
    with sized.app.app_context():
        started = time.perf_counter()
        for _ in range(ORDERS):
            sized.shop.submit(coupon="SPRING-1")
        placed = time.perf_counter()
        sized.work()
        return placed - started, time.perf_counter() - started
