"""The time zone of whoever reads: a script of ours keeps its name in a cookie; without one, UTC."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import has_request_context, request

COOKIE = "orderapp-zone"
UTC = ZoneInfo("UTC")
# Nothing of ours is older, and every reader's clock can show them, whatever their zone.
FIRST_YEAR, LAST_YEAR = 2000, 9000


def zone() -> ZoneInfo:
    """Return the reader's zone; UTC where it isn't known, and outside of a request."""
    if not has_request_context():
        return UTC
    try:
        return ZoneInfo(request.cookies.get(COOKIE) or UTC.key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def local(moment: dt.datetime) -> dt.datetime:
    """Return a moment as the reader's clock shows it."""
    return moment.astimezone(zone())


def read(text: str) -> dt.datetime:
    """Return the moment of a day or a local time such as `2026-05-01T13:30`, in UTC.

    Raises:
        ValueError: it is none, or isn't in the years FIRST_YEAR to LAST_YEAR.
    """
    at = dt.datetime.fromisoformat(text)
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"{text} isn't in the years {FIRST_YEAR} to {LAST_YEAR}")
    return (at if at.tzinfo else at.replace(tzinfo=zone())).astimezone(dt.UTC)


def typed(moment: dt.datetime) -> str:
    """Return a moment as a field for a local time has it, to the minute."""
    return f"{local(moment):%Y-%m-%dT%H:%M}"
