"""Python's garbage collector, set for processes that run for days and make much that is soon gone."""

from __future__ import annotations

import gc

# A request makes some thousands of objects that refer to others, nearly all of which are gone by its end without the
# collector. It looks at the young ones after so many, not after 700.
YOUNG_OBJECTS = 10_000


def leave_what_stays() -> None:
    """Take what exists by now out of the collector's sight; called once, when a process is ready to serve.

    What the libraries and the application have made stays until the end, 150,000 objects, and a collection that looks
    at them all stops every thread for tenths of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
