"""The chart of the orders that weren't right: shapes for an SVG, and the table that says the same.

Own shapes, because a chart library's picture has its own styles inside, which our content security policy refuses, and
neither our colours nor gaps where nothing was measured.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orderapp.services.backoffice.samples import Chart, Period, Point, Shade

WIDTH, HEIGHT = 1000, 200  # the picture is stretched to its place
LEAST_TOP = 5  # one order that isn't right doesn't fill the picture
LABELS = 5  # times under the picture; a narrow screen has room for no more
ROWS_POINTS = 12  # points that one row of the table sums up: 24 to 30 rows for each period
TITLES = {Period.DAY: "24 hours", Period.WEEK: "7 days", Period.MONTH: "30 days"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A shaded time, in units of the picture."""

    x: float
    width: float
    shade: Shade


@dataclass(frozen=True, slots=True)
class Drawing:
    """The shapes of a chart."""

    title: str
    top: int  # the number at the upper edge
    areas: tuple[tuple[str, str], ...]  # the tone and the points of each area, those above last
    bars: tuple[Bar, ...]
    times: tuple[dt.datetime, ...]  # to write under the picture, at equal distances
    by_day: bool  # whether those are days rather than times of a day
    rows: tuple[tuple[dt.datetime, Point], ...]  # the table: the beginning of a stretch, and its highest point


def drawing_of(chart: Chart) -> Drawing:
    """Return the shapes of a chart."""
    top = _nice(max((point.orders for point in chart.points), default=0))
    length = (chart.ends_at - chart.begins_at) / (LABELS - 1)
    return Drawing(
        title=TITLES[chart.period],
        top=top,
        areas=tuple(_areas(chart, top)),
        bars=tuple(_bar(chart, shade) for shade in chart.shades),
        times=tuple(chart.begins_at + length * place for place in range(LABELS)),
        by_day=chart.period is not Period.DAY,
        rows=tuple(_rows(chart)),
    )


def _areas(chart: Chart, top: int) -> Iterator[tuple[str, str]]:
    """Yield the areas, one upon the other: what needs staff is at the bottom."""
    edges: tuple[tuple[str, Callable[[Point], int], Callable[[Point], int]], ...] = (
        ("bad", lambda _: 0, lambda point: point.needs_staff),
        ("warn", lambda point: point.needs_staff, lambda point: point.needs_staff + point.waits),
        ("info", lambda point: point.needs_staff + point.waits, lambda point: point.orders),
    )
    for tone, lower, upper in edges:
        for run in _without_gaps(chart):
            if any(upper(point) > lower(point) for point in run):
                yield tone, _outline(chart, run, top, lower, upper)


def _outline(
    chart: Chart, run: Sequence[Point], top: int, lower: Callable[[Point], int], upper: Callable[[Point], int]
) -> str:
    width = WIDTH * chart.point_seconds / (chart.ends_at - chart.begins_at).total_seconds()
    there, back = [], []
    for point in run:
        left = _x(chart, point.at)
        right = min(float(WIDTH), left + width)
        there += [(left, _y(upper(point), top)), (right, _y(upper(point), top))]
        back += [(left, _y(lower(point), top)), (right, _y(lower(point), top))]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*there, *reversed(back)])


def _without_gaps(chart: Chart) -> list[list[Point]]:
    """Return the points in runs without a missing stretch."""
    if not chart.points:
        return []
    runs = [[chart.points[0]]]
    for before, point in pairwise(chart.points):
        if (point.at - before.at).total_seconds() > chart.point_seconds:
            runs.append([])
        runs[-1].append(point)
    return runs


def _bar(chart: Chart, shade: Shade) -> Bar:
    left = _x(chart, shade.begins_at)
    return Bar(round(left, 1), round(max(1.0, _x(chart, min(shade.ends_at, chart.ends_at)) - left), 1), shade)


def _rows(chart: Chart) -> Iterator[tuple[dt.datetime, Point]]:
    by_row: dict[int, list[Point]] = {}
    for point in chart.points:
        stretch = int((point.at - chart.begins_at).total_seconds()) // (chart.point_seconds * ROWS_POINTS)
        by_row.setdefault(stretch, []).append(point)
    for stretch, points in sorted(by_row.items(), reverse=True):
        begins_at = chart.begins_at + dt.timedelta(seconds=stretch * chart.point_seconds * ROWS_POINTS)
        yield begins_at, max(points, key=lambda point: point.orders)


def _x(chart: Chart, at: dt.datetime) -> float:
    return max(0.0, WIDTH * ((at - chart.begins_at) / (chart.ends_at - chart.begins_at)))


def _y(orders: int, top: int) -> float:
    return HEIGHT - HEIGHT * orders / top


def _nice(highest: int) -> int:
    """Return the next number of the form 1, 2 or 5 times a power of ten, from LEAST_TOP on."""
    top = LEAST_TOP
    while top < highest:
        top = top * 5 // 2 if str(top)[0] == "2" else top * 2
    return top
