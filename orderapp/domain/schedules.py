"""When a job runs by itself: once a day at a local time, or at equal intervals. Computed without I/O.

A local time that doesn't exist (the clock jumps past it in spring) counts as the moment of the jump; one that exists
twice (the clock is put back in autumn) counts as the first. So each day has exactly one time.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = dt.timedelta(days=1)
# Each run is a row that is kept for weeks; work that comes more often is better enqueued when there is some.
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 31 * 86_400
UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Daily:
    """Once a day, at a local time.

    Args:
        time: The time of day, such as "02:00".
        zone: The time zone, such as "Europe/Berlin" (IANA).
    """

    time: str
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"daily at {self.time} {self.zone}"

    def refuse_impossible_declaration(self) -> None:
        """Raise ValueError for a time of day or a zone that doesn't exist."""
        if not isinstance(self.time, str) or not _TIME.fullmatch(self.time):
            raise ValueError(f"{self.time!r} is no time of day such as 02:00")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise ValueError(f"{self.zone!r} is no time zone such as Europe/Berlin") from None

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first time after an aware moment, in UTC."""
        zone = ZoneInfo(self.zone)
        day = moment.astimezone(zone).date() - DAY
        while (found := _first_moment(dt.datetime.combine(day, dt.time.fromisoformat(self.time)), zone)) <= moment:
            day += DAY
        return found


@dataclass(frozen=True, slots=True)
class Every:
    """At equal intervals, counted from the beginning of 1970 in UTC: `Every(3600)` is each full hour.

    Args:
        seconds: The interval, a minute to 31 days.
    """

    seconds: int

    def __str__(self) -> str:
        longest = next((length, unit) for length, unit in UNITS if self.seconds % length == 0)
        number, unit = self.seconds // longest[0], longest[1]
        return f"every {unit}" if number == 1 else f"every {number} {unit}s"

    def refuse_impossible_declaration(self) -> None:
        """Raise ValueError for an interval that isn't a whole number of seconds, a minute to 31 days."""
        whole = isinstance(self.seconds, int) and not isinstance(self.seconds, bool)
        if not whole or not SHORTEST_SECONDS <= self.seconds <= LONGEST_SECONDS:
            raise ValueError(f"{self.seconds!r} is no whole number of seconds, {SHORTEST_SECONDS} to {LONGEST_SECONDS}")

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """Return the first time after an aware moment, in UTC."""
        passed = int(moment.timestamp()) // self.seconds
        return dt.datetime.fromtimestamp((passed + 1) * self.seconds, dt.UTC)


Schedule = Daily | Every


def _first_moment(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """Return the first moment at which a zone's clock shows a local time or jumps past it, in UTC."""
    moment = local.replace(tzinfo=zone, fold=0).astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    # The clock jumps past it: somewhere between what both offsets make of it.
    late, early = moment, local.replace(tzinfo=zone, fold=1).astimezone(dt.UTC)
    after = late.astimezone(zone).utcoffset()
    while late - early > dt.timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == after:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)
