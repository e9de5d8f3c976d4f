"""Events: the facts about orders that other programs are told, by the names under which they subscribe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from orderapp.domain.states import OrderState


class EventType(StrEnum):
    """What happened."""

    PLACED = "order.placed"
    CONFIRMED = "order.confirmed"
    COMPENSATING = "order.compensating"
    FAILED = "order.failed"
    CANCELLED = "order.cancelled"
    CONSISTENT = "order.consistent"
    UNRESOLVED = "effect.unresolved"
    MISMATCH_FOUND = "mismatch.found"
    MISMATCH_RESOLVED = "mismatch.resolved"


MEANINGS: Mapping[EventType, str] = {
    EventType.PLACED: "An order was recorded, or a failed one is tried again; its systems are being called",
    EventType.CONFIRMED: "The order is confirmed; its tasks, such as the settlement, follow",
    EventType.COMPENSATING: "The order failed or was cancelled; what it holds is being given back",
    EventType.FAILED: "The order failed and holds nothing any more; it can be tried again",
    EventType.CANCELLED: "The order was cancelled and holds nothing any more",
    EventType.CONSISTENT: "The order is confirmed, and all of its effects are as they should be",
    EventType.UNRESOLVED: "Staff gave up an effect: it is owed, or may still be held",
    EventType.MISMATCH_FOUND: "Reconciliation found that a system says otherwise than our ledger",
    EventType.MISMATCH_RESOLVED: "A later comparison found this mismatch gone",
}
OF_STATE: Mapping[OrderState, EventType] = {
    OrderState.PLACING: EventType.PLACED,
    OrderState.CONFIRMED: EventType.CONFIRMED,
    OrderState.COMPENSATING: EventType.COMPENSATING,
    OrderState.FAILED: EventType.FAILED,
    OrderState.CANCELLED: EventType.CANCELLED,
}
EVERYTHING = "*"
# What a subscription may name: one type, all types that begin with the same word, or everything.
PATTERNS = (
    EVERYTHING,
    *sorted({f"{one.partition('.')[0]}.*" for one in EventType}),
    *(one.value for one in EventType),
)


def is_wanted(event_type: str, patterns: Iterable[str]) -> bool:
    """Return whether an event's type is among those that the patterns name."""
    return bool({EVERYTHING, f"{event_type.partition('.')[0]}.*", event_type} & set(patterns))
