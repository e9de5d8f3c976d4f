"""A nightly sales report: what a day's orders came to. Each run and its result is in the back office.

Run it: ORDERAPP_PLUGINS=examples.report make run, then look at the job's waiting task in the back office.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from zoneinfo import ZoneInfo

from orderapp.ext import Daily, Run, job

BERLIN = ZoneInfo("Europe/Berlin")
DAY = dt.timedelta(days=1)


@job("sales-report", every=Daily("02:00", "Europe/Berlin"), attempts=12)
def sales_report(run: Run) -> dict[str, int | str]:
    """Sum up a day's confirmed orders in minor units: of `day`, if it was enqueued with one, or of the day before."""
    now = (run.scheduled_at or dt.datetime.now(dt.UTC)).astimezone(BERLIN)
    day = dt.date.fromisoformat(run.arguments.get("day") or str(now.date() - DAY))
    begin, totals = dt.datetime.combine(day, dt.time(), BERLIN), Counter[str]()
    for order in run.orders(begin, begin + DAY):
        if order.state == "confirmed":
            totals[order.document.total.currency] += order.document.total.minor
    return {"day": str(day), **totals}
