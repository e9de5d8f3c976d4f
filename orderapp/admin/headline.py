"""The first sentence of the overview: is everything right, and if not, how much isn't, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orderapp.admin.labels import duration
from orderapp.admin.trends import Trend, trend_of
from orderapp.currencies import amount_text
from orderapp.domain.money import Money
from orderapp.services.backoffice.lanes import Lane, NotRight
from orderapp.services.backoffice.samples import Point
from orderapp.services.db.capped_counts import Count


@dataclass(frozen=True, slots=True)
class Headline:
    """The figures of the sentence."""

    tone: str  # good, info, warn or bad
    recent: Count  # orders of the last days that aren't right
    older: Count  # those placed before
    at_stake: str  # the sum of their totals, one amount for each currency
    oldest: str  # for how long the one that isn't right for the longest isn't
    trend: Trend | None


def headline_of(seen: NotRight, day: Sequence[Point]) -> Headline:
    """Return the headline of what isn't right, with the trend of the last day."""
    lanes = seen.lanes.values()
    recent, older = _sum(lane.recent for lane in lanes), _sum(lane.older for lane in lanes)
    return Headline(
        tone=_tone(seen),
        recent=recent,
        older=older,
        at_stake=amounts_text(one for lane in lanes for one in lane.money),
        oldest=duration(max(lane.oldest_seconds for lane in lanes)),
        trend=trend_of(day, recent.number + older.number),
    )


def amounts_text(amounts: Iterable[Money]) -> str:
    """Return the sum of amounts as text, one part for each currency; empty without amounts."""
    sums: dict[str, Money] = {}
    for amount in amounts:
        sums[amount.currency] = sums[amount.currency] + amount if amount.currency in sums else amount
    return " and ".join(amount_text(one) for _, one in sorted(sums.items()))


def _sum(counts: Iterable[Count]) -> Count:
    found = list(counts)
    return Count(sum(one.number for one in found), any(one.more for one in found))


def _tone(seen: NotRight) -> str:
    for lane, tone in ((Lane.STAFF, "bad"), (Lane.WAITS, "warn"), (Lane.HEALS, "info")):
        if seen.lanes[lane].orders:
            return tone
    return "good"
