"""Limits the number of previews that ask other systems, so that nobody makes us ask them without end.

Every preview counts, also one with the same code as before, which is no further guess. Beyond the limit the page shows
prices without discounts, and orders are placed as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orderapp.domain.order_limits import Source
from orderapp.services.access.attempt_counters import Counted, bucket_of, longest_used_up, tally

WINDOW_SECONDS = 600
# The page asks anew whenever the order is changed: one every ten seconds for ten minutes is more than a person needs.
# Visitors share a network, and one without cookies has a new session each time: as many as five busy visitors need.
MOST = {"session": 60, "network": 300}


def buckets_of(sources: Iterable[Source]) -> list[str]:
    """Return the names of the counters."""
    return [bucket_of(_parts(one)) for one in sources]


def are_used_up(sources: Sequence[Source], counted: Iterable[Counted]) -> bool:
    """Return whether one of the sources has no preview left in its window; count nothing."""
    limits = {bucket_of(_parts(one)): MOST[one.kind] for one in sources}
    return longest_used_up(limits, counted) is not None


def count(sources: Iterable[Source]) -> bool:
    """Count a preview; return whether it is within the limits, also of others that came at the same time.

    Transaction: one for each counter, committed here.
    """
    counted = [(one, tally(_parts(one), WINDOW_SECONDS)) for one in sources]
    return all(now.attempts <= MOST[one.kind] for one, now in counted)


def _parts(source: Source) -> tuple[str, str | int]:
    return (f"previews-{source.kind}", source.name)
