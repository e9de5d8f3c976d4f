"""Draws a line chart as SVG that is readable in light and dark mode, without colours, and by a screen reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 400  # what fits beside a page's margins, at the size of its text
LEFT, RIGHT, TOP, BOTTOM = 56, 150, 56, 64  # room for the axes' words, the lines' names, the title, the dates
WORDS_HEIGHT = 16.0
STEP = 0.25  # between two lines of the grid
# Colours that differ for most kinds of colour blindness, and dashes that differ for all.
LOOKS = (("a", ""), ("b", "7 4"), ("c", "2 3"))
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.grid { stroke: #d0d7de; } .one { stroke: #57606a; stroke-width: 1.5; }
.line { fill: none; stroke-width: 2; } .range { stroke-width: 1.5; opacity: .55; }
.a { stroke: #0550ae; } .b { stroke: #953800; } .c { stroke: #116329; }
circle.a { fill: #0550ae; } circle.b { fill: #953800; } circle.c { fill: #116329; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
  .a { stroke: #79c0ff; } .b { stroke: #ffa657; } .c { stroke: #7ee787; }
  circle.a { fill: #79c0ff; } circle.b { fill: #ffa657; } circle.c { fill: #7ee787; }
}"""


@dataclass(frozen=True, slots=True)
class Point:
    """A median with its range, at the n-th place of the axis (from 0)."""

    place: int
    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points, from left to right."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn.

    Args:
        title: One line.
        description: What a screen reader says in place of the picture.
        places: The words under the axis, from left to right.
        lines: Three at most.
        unity: What the value 1 means.
    """

    title: str
    description: str
    places: Sequence[str]
    lines: Sequence[Line]
    unity: str


def svg(chart: Chart) -> str:
    """Return the chart as an SVG document. Raises ValueError for more lines than can be distinguished."""
    if len(chart.lines) > len(LOOKS):
        raise ValueError(f"{len(chart.lines)} lines can't be told apart; {len(LOOKS)} can")
    most = max([1.0, *(point.most for line in chart.lines for point in line.points)])
    top = STEP * -(-most // STEP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(chart.title)}</title>',
        f'<desc id="description">{escape(chart.description)}</desc>',
        f"<style>{STYLE}\n</style>",
        _text(LEFT, 26, chart.title, "start", "title"),
        *_grid(chart, top),
        *(part for line, look in zip(chart.lines, LOOKS, strict=False) for part in _line(line, look, chart, top)),
        *_names(chart, top),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(chart: Chart, top: float) -> Iterator[str]:
    for number in range(round(top / STEP) + 1):
        value = number * STEP
        kind = "one" if value == 1 else "grid"
        y = _y(value, top)
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(LEFT - 8, y + 4, f"{value:g}", "end")
    yield _text(LEFT + 6, _y(1, top) - 6, chart.unity, "start")
    for place, words in enumerate(chart.places):
        yield _text(_x(place, chart), HEIGHT - BOTTOM + 24, words, "middle")


def _line(line: Line, look: tuple[str, str], chart: Chart, top: float) -> Iterator[str]:
    kind, dashes = look
    corners = " ".join(f"{_x(one.place, chart):.1f},{_y(one.median, top):.1f}" for one in line.points)
    yield f'<polyline class="line {kind}" stroke-dasharray="{dashes}" points="{corners}"/>'
    for one in line.points:
        x = _x(one.place, chart)
        low, high = _y(one.least, top), _y(one.most, top)
        yield f'<line class="range {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        yield f'<circle class="{kind}" cx="{x:.1f}" cy="{_y(one.median, top):.1f}" r="4"/>'


def _names(chart: Chart, top: float) -> Iterator[str]:
    """Name the lines at their ends; move names apart that would overlap."""
    ends = [(_y(line.points[-1].median, top), line) for line in chart.lines if line.points]
    free_from = 0.0
    for y, line in sorted(ends, key=lambda end: end[0]):
        at, last = max(y, free_from), line.points[-1]
        free_from = at + WORDS_HEIGHT
        yield _text(_x(last.place, chart) + 12, at + 4, f"{line.name}: {last.median:.2f}", "start")


def _x(place: int, chart: Chart) -> float:
    # Half a step free on both sides, so that the words under the first and the last point have room.
    return LEFT + (place + 0.5) * (WIDTH - LEFT - RIGHT) / max(1, len(chart.places))


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
