"""The outcomes of a call to another system, and what is recorded about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The four outcomes of a call. It is `unknown` unless one of the other three is proven."""

    NOT_SENT = "not_sent"  # proven: it did not happen, and the system made no decision
    DONE = "done"  # proven: it happened
    REFUSED = "refused"  # proven: the system understood and said no
    UNKNOWN = "unknown"  # it may have happened, may yet happen, or may never happen


class Finding(StrEnum):
    """What a system says when asked about one of our keys."""

    IN_PLACE = "in_place"  # the effect is there
    PENDING = "pending"  # accepted; the system finishes it later
    ABSENT = "absent"  # it doesn't know the key, which proves nothing before the late window has passed
    UNDONE = "undone"  # the effect was cancelled, or can't appear any more
    UNCLEAR = "unclear"  # no usable answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, masked and cut to a bounded size, for the history."""

    request: str  # the method, the path and the body
    response: str  # the status and the body, or the error
    duration_ms: int  # how long it took


@dataclass(frozen=True, slots=True)
class Shortage:
    """Of which line of an order there is too little, as a system that refuses it says."""

    sku: str  # the line's product
    available: int  # how many can be had, 0 or more and fewer than were wanted


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one run against a system, which may have several exchanges."""

    outcome: Outcome  # one of the four
    code: str = ""  # a code for programs, such as `out_of_stock` or `http_502`; empty for a plain success
    message: str = ""  # one sentence for staff
    repeatable: bool = True  # false if the same request can never succeed (our mistake, our configuration)
    pending: bool = False  # accepted, but not finished: ask again later, and don't count it as a failure
    # The system refuses all our calls, not only this one, until our credentials or its address are corrected.
    locked_out: bool = False
    retry_after_seconds: float | None = None  # how long the system asked us to wait, 0 or more; None if it said nothing
    slow_down: bool = False  # the system works, but wants fewer calls (429)
    called: bool = True  # false if we made the answer ourselves, without a call
    exchanges: tuple[Exchange, ...] = ()  # what was sent and answered
    shortage: Shortage | None = None  # why it refuses, where there is too little of a product

    @property
    def worked(self) -> bool | None:
        """Whether the answer shows that the system works or fails; None if neither, for example our own mistake."""
        if not self.called:
            return None
        if self.pending or self.outcome in (Outcome.DONE, Outcome.REFUSED):
            return True
        if self.locked_out:
            return False
        if self.slow_down or (self.outcome is Outcome.NOT_SENT and not self.repeatable):
            return None
        return False


@dataclass(frozen=True, slots=True)
class Report:
    """What a system said when asked about a key: the finding, and what an undo will need."""

    finding: Finding  # what is there
    answer: Answer  # of the call that asked, with its exchanges
    effects: tuple[str, ...] = ()  # the system's own ids of the effects in place, if it has ids

    @property
    def in_place(self) -> tuple[str, ...]:
        """The effects in place, by their ids; one without an id if the system has none."""
        return self.effects or (("",) if self.finding is Finding.IN_PLACE else ())


@dataclass(frozen=True, slots=True)
class Quote:
    """What a system says about a discount before anything is reserved.

    One of three: it would apply (`kind`, with `code`, `value` and for an amount `currency`); it is refused (`refused`,
    a code such as `coupon_used_up`, and `field`, an input, if the system doesn't know its value); the system gave no
    usable answer (neither `kind` nor `refused`).
    """

    answer: Answer  # of the call that asked, with its exchanges
    code: str = ""  # the customer's code, as the system spells it
    kind: str = ""  # `percent` or `amount`
    value: int = 0  # percent points 0..100, or minor units
    currency: str = ""  # of an amount
    refused: str = ""  # why not, as a code such as `coupon_used_up`
    field: str = ""  # the name of the wrong input, if nothing should be recorded
    # The customer's input in the system's own spelling, by input: the system may accept no other spelling.
    spelt: Mapping[str, str] = dataclasses.field(default_factory=dict)
