"""When jobs run by themselves, across the changes of local clocks."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderapp.domain.schedules import Daily, Every, Schedule

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def moments(schedule: Schedule, after: str, number: int) -> list[str]:
    """Return the next times, as "day hour:minute" in UTC."""
    found, moment = [], dt.datetime.fromisoformat(after).replace(tzinfo=dt.UTC)
    for _ in range(number):
        moment = schedule.next_after(moment)
        found.append(f"{moment:%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        (Daily("02:00"), "2026-01-01T01:59:59", ["01-01 02:00", "01-02 02:00"]),
        (Daily("02:00"), "2026-01-01T02:00:00", ["01-02 02:00", "01-03 02:00"]),
        # The clock jumps from 02:00 to 03:00, which is 01:00 UTC.
        (Daily("02:30", "Europe/Berlin"), "2026-03-28T00:00:00", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        (Daily("03:00", "Europe/Berlin"), "2026-03-28T00:00:00", ["03-28 02:00", "03-29 01:00", "03-30 01:00"]),
        # It is put back from 03:00 to 02:00: the first half past two counts, the second one doesn't.
        (Daily("02:30", "Europe/Berlin"), "2026-10-24T00:00:00", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        (Daily("02:30", "Europe/Berlin"), "2026-10-25T01:29:00", ["10-26 01:30", "10-27 01:30"]),
        # By half an hour.
        (Daily("02:15", "Australia/Lord_Howe"), "2026-10-02T16:00:00", ["10-03 15:30", "10-04 15:15"]),
        # A whole day is left out.
        (Daily("02:00", "Pacific/Apia"), "2011-12-29T00:00:00", ["12-29 12:00", "12-30 10:00", "12-30 12:00"]),
        (Every(3600), "2026-01-01T10:00:00", ["01-01 11:00", "01-01 12:00"]),
        (Every(86_400), "2026-01-01T10:00:01", ["01-02 00:00", "01-03 00:00"]),
    ],
)
def test_the_next_times(schedule: Schedule, after: str, expected: list[str]) -> None:
    assert moments(schedule, after, len(expected)) == expected


@given(
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(ZONES),
    st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2035, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
)
def test_there_is_one_time_for_each_day_whatever_the_clock_does(
    hour: int, minute: int, zone: str, moment: dt.datetime
) -> None:
    schedule = Daily(f"{hour:02}:{minute:02}", zone)
    times = [moment]
    for _ in range(5):
        times.append(schedule.next_after(times[-1]))
    for before, after in pairwise(times):
        assert before < after
        assert schedule.next_after(after - dt.timedelta(seconds=1)) == after
    # A clock changes by an hour at most, but for an island that left a day out.
    longest = dt.timedelta(hours=25)
    assert all(after - before <= longest for before, after in pairwise(times))


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        (Daily("24:00"), "'24:00' is no time of day such as 02:00"),
        (Daily("2:00"), "'2:00' is no time of day"),
        (Daily("02:00:00"), "is no time of day"),
        (Daily(2), "2 is no time of day"),  # type: ignore[arg-type]
        (Daily("02:00", "Berlin"), "'Berlin' is no time zone such as Europe/Berlin"),
        (Daily("02:00", "Europe"), "'Europe' is no time zone"),
        (Daily("02:00", "../etc/passwd"), "is no time zone"),
        (Daily("02:00", ""), "'' is no time zone"),
        (Daily("02:00", None), "None is no time zone"),  # type: ignore[arg-type]
        (Every(59), "59 is no whole number of seconds, 60 to 2678400"),
        (Every(60.5), "60.5 is no whole number"),  # type: ignore[arg-type]
        (Every(True), "True is no whole number"),
        (Every(32 * 86_400), "is no whole number of seconds"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: Schedule, told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        schedule.refuse_impossible_declaration()
