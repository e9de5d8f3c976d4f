"""How many orders may come from one place, browser, mailbox, phone or API client: over a minute, an hour and a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WINDOWS_SECONDS = (60, 3600, 86_400)
Most = tuple[int, int, int]  # over each of WINDOWS_SECONDS; 0: any number

# A household orders a few times on a busy day. These limits are many times that, and still stop a program.
DEFAULTS: Mapping[str, Most] = {
    # An office, a school or a hotel shares one address; so do customers of some mobile networks, and a shop with many
    # of those raises the limit. 20 a minute is a whole office at lunch.
    "network": (20, 100, 300),
    # A browser needs at least half a minute for a form; ten in a minute are several prepared tabs.
    "session": (10, 30, 60),
    # Each order sends one mail and one text message, and a stranger may enter any address: its owner must get only a
    # few at a time, not a full mailbox or text messages all day.
    "email": (6, 20, 40),
    "phone": (6, 20, 40),
    # API clients have tokens and are trusted.
    "client": (0, 0, 0),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A source that an order counts for."""

    kind: str  # one of DEFAULTS
    name: str | int  # which one: an address, a mailbox
