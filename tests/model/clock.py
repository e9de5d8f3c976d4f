"""The model's clock: the database's, and this process's monotonic one. It moves only when the model says so."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Callable

START = dt.datetime(2030, 1, 1)  # noqa: DTZ001 - SQLite stores the UTC wall clock without a zone
OFFSET = re.compile(r"([+-]\d+\.\d{3}) seconds")


class Clock:
    """Seconds since the model began. `ticks` are called after each move."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ticks: list[Callable[[], None]] = []

    def advance(self, seconds: float) -> None:
        """Let time pass, for the database and for every process alike."""
        self.seconds += seconds
        for tick in self.ticks:
            tick()

    def monotonic(self) -> float:
        """Return the time as `time.monotonic` does."""
        return self.seconds

    def text(self, offset_seconds: float = 0.0) -> str:
        """Return the time as the database keeps it."""
        return (START + dt.timedelta(seconds=self.seconds + offset_seconds)).isoformat(" ", "milliseconds") + "000"

    def rule_over(self, connection: sqlite3.Connection) -> None:
        """Take the place of SQLite's own clock on one connection: functions of ours go before the built-in ones."""
        connection.create_function("strftime", -1, self._strftime)
        connection.create_function("julianday", -1, self._julianday)

    def _strftime(self, form: str, moment: str, *offsets: str) -> str:
        if (form, moment) != ("%Y-%m-%d %H:%M:%f", "now"):
            raise ValueError(f"the model's clock doesn't know strftime({form!r}, {moment!r})")
        seconds = 0.0
        for offset in offsets:
            found = OFFSET.fullmatch(offset)
            if found is None:
                raise ValueError(f"the model's clock doesn't know the offset {offset!r}")
            seconds += float(found[1])
        return self.text(seconds).removesuffix("000")

    def _julianday(self, moment: str | None) -> float | None:
        # Days since the model's beginning: only differences of two are ever used.
        if moment is None:
            return None
        seconds = self.seconds if moment == "now" else (dt.datetime.fromisoformat(moment) - START).total_seconds()
        return seconds / 86_400
