"""A subscriber to events, which misbehaves as it is told to, and what it must have got in the end."""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from orderapp.domain.events import is_wanted
from tests.systems.raw_server import RawServer, Talk, http_answer

# As the paths of systems: the crash sweep makes the names of calls from them.
PATH = "/subscriber/v1/events"
WELL, FAILS, HANGS, CUTS, DOWN = "well", "fails", "hangs", "cuts", "down"
MODES = (WELL, FAILS, HANGS, CUTS, DOWN)
# Past the product, which takes no unencrypted address in production.
ADDING = text(
    "INSERT INTO webhook_subscriptions (url, events, secret, created_at)"
    " VALUES (:url, :events, :secret, CURRENT_TIMESTAMP)"
)
SECRET = "whsec_c3Vic2NyaWJlZCB0byBhbGwgb2YgdGhlIGV2ZW50cw=="  # noqa: S105 - of a test


@dataclass(frozen=True)
class Got:
    """An event as it came: its id, its order's number, its number in the order, and whether we said that we have it."""

    uid: str
    order: str
    sequence: int
    accepted: bool


class Subscriber:
    """Keeps what it gets. `mode` says how it behaves from now on.

    Args:
        events: The patterns of the events that it subscribes to.
        unwilling: The share of events that it doesn't take when they come first, whatever its mode.
    """

    def __init__(self, *events: str, unwilling: float = 0.0) -> None:
        self.events = events
        self._unwilling = unwilling
        self.mode = WELL
        self.got: list[Got] = []
        self._lock = threading.Lock()
        self._server = RawServer(self._serve)
        self.url = f"{self._server.url}{PATH}"

    def subscribe(self, connection: Connection) -> None:
        """Subscribe to what happens from now on."""
        connection.execute(ADDING, {"url": self.url, "events": ",".join(self.events), "secret": SECRET})

    def stop(self) -> None:
        """Stop serving."""
        self._server.stop()

    def _serve(self, talk: Talk) -> None:
        while self.mode != DOWN:
            event = json.loads(talk.read_request().partition(b"\r\n\r\n")[2])
            order = event["data"]["order"]["number"]
            with self._lock:
                mode = self._mode_for(event["id"])
                self.got.append(Got(event["id"], order, event["sequence"], mode == WELL))
            if mode == HANGS:
                talk.stall()
            if mode in (HANGS, CUTS):
                break
            talk.say(http_answer(b"", "200 OK" if mode == WELL else "500 Broken"))
        talk.reset()

    def _mode_for(self, uid: str) -> str:
        chosen = random.Random(uid)  # noqa: S311 - no secret
        if self.mode != WELL or chosen.random() >= self._unwilling or any(one.uid == uid for one in self.got):
            return self.mode
        # Hanging costs a time-out each.
        return chosen.choice((FAILS, FAILS, CUTS, CUTS, HANGS))


# Each change of an order counts as an event, and was written, since we subscribed before the first one.
COMPLETE = """
    SELECT o.number, o.event_number, count(e.id) AS written, max(e.sequence) AS newest
      FROM orders o LEFT JOIN events e ON e.order_id = o.id GROUP BY o.id, o.number, o.event_number
    HAVING count(e.id) <> o.event_number OR coalesce(max(e.sequence), 0) <> o.event_number"""
NEWEST = """
    SELECT o.number, o.state, e.type FROM orders o JOIN events e ON e.order_id = o.id
     WHERE e.type IN ('order.placed', 'order.confirmed', 'order.compensating', 'order.failed', 'order.cancelled')
     ORDER BY e.order_id, e.sequence"""


def untold(connection: Connection, subscriber: Subscriber) -> Iterator[str]:
    """Yield every way in which events, orders and what the subscriber got don't agree; nothing is under way."""
    for row in connection.execute(text(COMPLETE)):
        yield f"order {row.number}: {row.written} events up to {row.newest}, not {row.event_number}"
    states = {row.number: (row.state, row.type) for row in connection.execute(text(NEWEST))}
    for number, (state, told) in states.items():
        if told != f"order.{state}":
            yield f"order {number} is {state}; its newest event is {told}"
    written = connection.execute(text("SELECT uid, type FROM events")).all()
    wanted = {event.uid for event in written if is_wanted(event.type, subscriber.events)}
    accepted, seen = {one.uid for one in subscriber.got if one.accepted}, {one.uid for one in subscriber.got}
    yield from (f"event {uid} was never delivered" for uid in wanted - accepted)
    yield from (f"event {uid} was delivered, and isn't written or wasn't asked for" for uid in seen - wanted)
    ended = connection.execute(text("SELECT id, state FROM deliveries WHERE state <> 'delivered'"))
    yield from (f"delivery {row.id} is {row.state}" for row in ended)
    yield from _overtaken(subscriber.got)


def _overtaken(got: Iterable[Got]) -> Iterator[str]:
    """An event that comes for the first time comes after all earlier ones of its order; repeats may come whenever."""
    newest: dict[str, int] = defaultdict(int)
    seen: set[str] = set()
    for one in got:
        if one.uid not in seen and one.sequence <= newest[one.order]:
            yield f"order {one.order}: event {one.sequence} came first after {newest[one.order]}"
        seen.add(one.uid)
        newest[one.order] = max(newest[one.order], one.sequence)
