"""Whether the number of orders that aren't right rises or falls, and since when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from orderapp.services.backoffice.samples import Point

# A turn counts only if it is of at least two orders and a tenth: one order more or less is no trend.
LEAST_TURN, TURN_SHARE = 2, 0.1


@dataclass(frozen=True, slots=True)
class Trend:
    """A direction, "falling" or "rising", and the time of the last turn."""

    direction: str
    since: dt.datetime


def trend_of(points: Sequence[Point], now: int) -> Trend | None:
    """Return the trend that has led to the present number; None where there was no turn in the points.

    Args:
        points: The past, oldest first.
        now: How many orders aren't right now.
    """
    highest = lowest = now
    for place in range(len(points) - 1, -1, -1):
        highest, lowest = max(highest, points[place].orders), min(lowest, points[place].orders)
        if highest - now >= _turn(highest):
            return Trend("falling", _furthest(points[: place + 1], 1))
        if now - lowest >= _turn(now):
            return Trend("rising", _furthest(points[: place + 1], -1))
    return None


def _furthest(points: Sequence[Point], sign: int) -> dt.datetime:
    """Return the time of the last peak (sign 1) or trough (-1) of the points."""
    best = points[-1]
    for point in reversed(points):
        if sign * (point.orders - best.orders) > 0:
            best = point
        elif sign * (best.orders - point.orders) >= _turn(max(best.orders, point.orders)):
            break
    return best.at


def _turn(height: int) -> int:
    return max(LEAST_TURN, ceil(TURN_SHARE * height))
