"""Settings of Python's garbage collector for processes that run for days and make many short-lived objects."""

from __future__ import annotations

import gc

# A request makes some thousands of objects that refer to others; reference counting frees nearly all of them by its
# end. So the collector checks the young ones after this many, not after 700.
YOUNG_OBJECTS = 10_000


def leave_what_stays() -> None:
    """Exclude all present objects from collections; call this once, when a process is ready to serve.

    The 150,000 objects of the libraries and the application stay until the end, and a collection that checks them all
    stops every thread for tenths of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)
