"""How many orders may come from one place, browser, mailbox, phone or API client: over a minute, an hour and a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WINDOWS_SECONDS = (60, 3600, 86_400)
Most = tuple[int, int, int]  # over each of WINDOWS_SECONDS; 0: any number

# A household orders a few times on a busy day. These are many times that, and still end what a program does.
DEFAULTS: Mapping[str, Most] = {
    # An office, a school, a hotel share one address; so do customers of some mobile networks: a shop with many of those
    # raises it. 20 a minute is a whole office at lunch.
    "network": (20, 100, 300),
    # One browser fills in a form in half a minute at best; ten in one minute are several tabs prepared beforehand.
    "session": (10, 30, 60),
    # Each order sends one mail and one text message: nobody may get more than a handful at once from strangers, nor a
    # full mailbox or a day of texts.
    "email": (6, 20, 40),
    "phone": (6, 20, 40),
    # Clients of the API have tokens, and are trusted.
    "client": (0, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Whom an order counts for in one way.

    Args:
        kind: One of DEFAULTS.
        name: Which one: an address, a mailbox.

    """

    kind: str
    name: str | int
