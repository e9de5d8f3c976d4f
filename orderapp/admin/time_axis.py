"""The time axis of an order as a picture: a lane for each system, the customer and staff; a mark for all that happened.

Each mark has a place of its own, in the order of the list below it; long pauses are shortened. All numbers are computed
here, because the content security policy allows no inline style.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orderapp.admin.histories import CUSTOMER, STAFF, Entry
from orderapp.admin.labels import duration
from orderapp.admin.zones import local

MOST_MARKS = 150  # the newest; the list has the rest
HEAD, LANE_HEIGHT, NAMES, END = 30, 34, 128, 28  # in units of the picture, which are pixels where there is room
LEAST_STEP = 26.0  # between neighbours, so that a finger finds each
STRETCH = 9.0  # for each doubling of a pause
LEAST_WIDTH = 940.0
LABEL_WIDTH = 84.0  # of a time below the axis
# Pauses from this length on are written on the axis.
TOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: where it is in the picture, how it looks, where it leads."""

    x: float
    y: float
    mark: str
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The picture's parts; `lanes` are the names, from top to bottom, each at the middle of its lane."""

    width: float
    height: float
    lanes: Sequence[Label]
    marks: Sequence[Mark]
    times: Sequence[Label]
    pauses: Sequence[Label]
    left_out: int  # how many older marks aren't in the picture


def axis_of(entries: Sequence[Entry]) -> Axis:
    """Return the time axis of a history, which is newest first."""
    shown = [entry for entry in reversed(entries) if entry.lane]
    left_out = max(0, len(shown) - MOST_MARKS)
    shown = shown[left_out:]
    lanes = {name: HEAD + (place + 0.5) * LANE_HEIGHT for place, name in enumerate(_lanes(shown))}
    places = _places([entry.at for entry in shown])
    width = max(LEAST_WIDTH, (places[-1] if places else NAMES) + END + LABEL_WIDTH / 2)
    return Axis(
        width=width,
        height=HEAD + len(lanes) * LANE_HEIGHT + 6,
        lanes=[Label(8, y, name) for name, y in lanes.items()],
        marks=[
            Mark(x, lanes[entry.lane], entry.mark, f"{local(entry.at):%H:%M:%S} {entry.title}", entry.anchor)
            for entry, x in zip(shown, places, strict=True)
        ],
        times=list(_times(shown, places)),
        pauses=list(_pauses(shown, places)),
        left_out=left_out,
    )


def _lanes(entries: Iterable[Entry]) -> list[str]:
    """Return the lanes that have a mark: the customer, the systems as they come, staff."""
    found = dict.fromkeys(entry.lane for entry in entries)
    systems = [name for name in found if name not in (CUSTOMER, STAFF)]
    return [name for name in (CUSTOMER, *systems, STAFF) if name in found]


def _places(moments: Sequence[dt.datetime]) -> list[float]:
    """Return where each moment is: always after the one before, and further away after a longer pause."""
    places: list[float] = []
    for number, moment in enumerate(moments):
        if number == 0:
            places.append(NAMES + END)
            continue
        pause = max(0.0, (moment - moments[number - 1]).total_seconds())
        places.append(places[-1] + LEAST_STEP + STRETCH * math.log2(1 + pause))
    return _stretched(places)


def _stretched(places: list[float]) -> list[float]:
    """Return the places spread over the least width, if they need less."""
    room, first = LEAST_WIDTH - END - LABEL_WIDTH / 2, NAMES + END
    if len(places) < 2 or places[-1] >= room:
        return places
    factor = (room - first) / (places[-1] - first)
    return [first + (place - first) * min(factor, 3.0) for place in places]


def _times(entries: Sequence[Entry], places: Sequence[float]) -> Iterable[Label]:
    """Yield the clock at as many marks as there is room for; the day where it changes."""
    free_from, day = 0.0, None
    for entry, place in zip(entries, places, strict=True):
        at = local(entry.at)
        if place - LABEL_WIDTH / 2 < free_from:
            continue
        yield Label(place, 13, f"{at:%-d %b %H:%M}" if at.date() != day else f"{at:%H:%M:%S}")
        free_from, day = place + LABEL_WIDTH / 2, at.date()


def _pauses(entries: Sequence[Entry], places: Sequence[float]) -> Iterable[Label]:
    for (before, left), (after, right) in pairwise(zip(entries, places, strict=True)):
        pause_seconds = (after.at - before.at).total_seconds()
        if pause_seconds >= TOLD_SECONDS:
            yield Label((left + right) / 2, HEAD - 4, duration(pause_seconds))
