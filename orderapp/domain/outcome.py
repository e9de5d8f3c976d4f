"""How a call to another system can end, and what is kept of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The four ends of a call. Whoever can't prove one of the other three says `unknown`."""

    NOT_SENT = "not_sent"  # proven: it did not happen, and the system took no decision
    DONE = "done"  # proven: it happened
    REFUSED = "refused"  # proven: the system understood and said no
    UNKNOWN = "unknown"  # it may have happened, may yet happen, or may never happen


class Finding(StrEnum):
    """What a system says when asked about one of our keys."""

    IN_PLACE = "in_place"
    PENDING = "pending"  # accepted; the system finishes it later
    ABSENT = "absent"  # it knows nothing of the key: proves nothing before the late window has passed
    UNDONE = "undone"  # it was there and is cancelled, or can no longer come
    UNCLEAR = "unclear"  # no usable answer


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, masked and cut to a bounded size, for the history."""

    request: str
    response: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one run against a system; it may have taken several exchanges.

    Args:
        outcome: One of the four.
        code: A word for machines, e.g. `out_of_stock`, `timeout`, `http_502`; empty for a plain success.
        message: One sentence for staff.
        repeatable: False where the same request can't ever succeed (our mistake, our configuration).
        pending: Accepted, but not finished: ask again later, don't count it as a failure.
        retry_after_seconds: How long the system asked us to wait, 0 or more; None where it said nothing.
        locked_out: The system refuses us altogether, not this request: nothing of ours gets through until our
            credentials or its address are mended.
        slow_down: The system is well, but wants fewer calls (429).
        called: False where we gave the answer ourselves, without a call.
        exchanges: What was sent and answered.

    """

    outcome: Outcome
    code: str = ""
    message: str = ""
    repeatable: bool = True
    pending: bool = False
    locked_out: bool = False
    retry_after_seconds: float | None = None
    slow_down: bool = False
    called: bool = True
    exchanges: tuple[Exchange, ...] = ()

    @property
    def worked(self) -> bool | None:
        """Whether it shows the system to work or to fail; None where it shows nothing, such as our own mistake."""
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

    finding: Finding
    answer: Answer
    effects: tuple[str, ...] = ()  # the system's own ids of what is in place, where it has such


@dataclass(frozen=True, slots=True)
class Quote:
    """What a system says of a discount before anything is reserved.

    One of three: it would apply (`kind`, with `code`, `value` and for an amount `currency`); it is refused (`refused`,
    a code such as `coupon_used_up`, and `field` where the customer's input names nothing that the system knows); the
    system gave no usable answer (neither `kind` nor `refused`).
    """

    answer: Answer
    code: str = ""  # the customer's code it is given for, as the system spells it
    kind: str = ""  # percent | amount
    value: int = 0  # percent points 0..100, or minor units
    currency: str = ""
    refused: str = ""
    field: str = ""  # the input field at fault, where nothing should be recorded
    # What the customer typed, as the system itself spells it, by input field: it may know no other spelling.
    spelt: Mapping[str, str] = dataclasses.field(default_factory=dict)
