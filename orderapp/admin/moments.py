"""Times as people say them: the clock of today, the day of any other, and how long ago. The rest is in the markup."""

from __future__ import annotations

import datetime as dt

from markupsafe import Markup

from orderapp.admin.labels import duration
from orderapp.admin.zones import local


def at(moment: dt.datetime, now: dt.datetime) -> Markup:
    """Return a time as markup: "14:07" for today, "28 Nov, 14:07" for another day, the year if it is another one."""
    told, today = local(moment), local(now)
    shown = f"{told:%H:%M}"
    if told.date() != today.date():
        shown = f"{told:%-d %b}{f' {told:%Y}' if told.year != today.year else ''}, {shown}"
    markup = Markup('<time class="nowrap" datetime="{}" title="{}">{}</time>')
    return markup.format(told.isoformat(), f"{told:%Y-%m-%d %H:%M:%S %Z}", shown)


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago a time was, or in how long it comes."""
    seconds = (now - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
