"""Everything that can go wrong on purpose: one tree.

OrderappError
├── ConfigurationError            a setting is wrong; the process does not start
├── DatabaseUnavailable           nothing can be read or written at present
├── Overloaded                    more orders come than can be placed; nothing was done
├── InvalidRequest                the input is at fault; nothing was recorded
├── ArchiveUnusable               a file can't take in what is archived; nothing more was deleted
├── NotFound                      there is no such thing, or it isn't yours
│   └── Archived                  there was, and it is in a file now
├── OrderArchived                 what the key leads to was archived
├── TooManyAttempts               somebody is guessing
│   └── TooManyOrders             more orders than any household places
├── Conflict                      the input is fine, the moment or the key isn't
│   ├── InProgress                the same key is being worked on right now
│   ├── KeyReused                 the same key came with other content
│   ├── ProbableDuplicate         the same customer's identical cart was ordered a moment ago
│   ├── TotalChanged              it would cost something else than the customer was shown
│   ├── CompensationInProgress    the earlier placement still holds something
│   ├── WrongState                the thing isn't in a state in which this can be done
│   └── SystemUnknown             it concerns a system that this process doesn't know
└── LeaseLost                     somebody else has taken over; whoever gets this must not write

Each says in its text what happened, what was and wasn't done, and what to do; `code` is the word for machines.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence

from orderapp.domain.money import Money
from orderapp.domain.orders import Discount, Line


class OrderappError(Exception):
    """The root of all errors raised on purpose. `in_audit` once the audit holds that it refused an act of staff."""

    code = "internal_error"
    in_audit = False


class ConfigurationError(OrderappError):
    """A setting is missing, malformed or can't go together with another; the text names the variable."""

    code = "configuration_error"


class DatabaseUnavailable(OrderappError):
    """The database can't be used, or its answer to a commit was lost; repeating with the same key is safe."""

    code = "database_unavailable"


class Overloaded(OrderappError):
    """More orders come than can be placed in good time; nothing was done with this one."""

    code = "overloaded"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "More orders come in than can be placed. This request did nothing; repeat it in a moment, with its key."
        )
        self.retry_after_seconds = retry_after_seconds


class InvalidRequest(OrderappError):
    """The input is at fault; nothing was recorded. `errors` has the messages by field, dotted like `lines.0.sku`."""

    code = "invalid_request"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        super().__init__("The request can't be accepted as it is; nothing was recorded.")
        self.errors = {field: list(messages) for field, messages in errors.items()}


class NotFound(OrderappError):
    """There is no such thing, or it belongs to somebody else; the two look the same from outside."""

    code = "not_found"


class Archived(NotFound):
    """There was such an order; the text says in which file it is now."""

    code = "archived"


class OrderArchived(OrderappError):
    """The key's order, or the one that is asked for, was archived, as `number`; nothing was done."""

    code = "order_archived"

    def __init__(self, number: str) -> None:
        super().__init__(
            f"Order {number} was placed long ago and is archived. Nothing was done; use a new key for a new order."
        )
        self.number = number


class ArchiveUnusable(OrderappError):
    """The file can't take in what is archived, or holds something else; nothing was deleted that it doesn't hold."""

    code = "archive_unusable"


class TooManyAttempts(OrderappError):
    """Somebody tried too often; `retry_after_seconds` tells when the next try counts."""

    code = "too_many_attempts"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyOrders(TooManyAttempts):
    """More orders came from one place, browser, mailbox or phone than any household places; nothing was recorded."""

    code = "too_many_orders"

    def __init__(self, left_seconds: float) -> None:
        super().__init__(
            "Too many orders came from one network, browser, e-mail address, phone or client. Nothing was recorded; "
            "repeat this one later, with its key.",
            max(1, math.ceil(left_seconds)),
        )


class Conflict(OrderappError):
    """The input is fine, the moment or the key isn't."""

    code = "conflict"


class InProgress(Conflict):
    """The same key is being worked on right now; the answer will be there in `retry_after_seconds` at the latest."""

    code = "in_progress"

    def __init__(self, retry_after_seconds: int, order_id: uuid.UUID | None = None) -> None:
        super().__init__("This order is being placed right now. Ask again with the same key for its result.")
        self.retry_after_seconds = retry_after_seconds
        self.order_id = order_id


class KeyReused(Conflict):
    """The same key came with other content, after it had led to `order_id`; nothing was done."""

    code = "idempotency_key_reused"

    def __init__(self, order_id: uuid.UUID) -> None:
        super().__init__("This key was used for another order. Nothing was done; use a new key for a new order.")
        self.order_id = order_id


class ProbableDuplicate(Conflict):
    """The same customer's identical cart was ordered a moment ago, as `order_id`; nothing was recorded."""

    code = "probable_duplicate"

    def __init__(self, order_id: uuid.UUID) -> None:
        super().__init__("The same order was placed a moment ago. Nothing was done; confirm that you want it twice.")
        self.order_id = order_id


class TotalChanged(Conflict):
    """The order would cost something else than the customer was shown; nothing was recorded.

    Args:
        total: What it would cost now.
        lines: With today's prices, or those of the order that is tried again.
        discounts: What would come off; empty where no discount could be asked for.

    """

    code = "total_changed"

    def __init__(self, total: Money, lines: Sequence[Line], discounts: Sequence[Discount]) -> None:
        super().__init__(
            "The total isn't the one that was expected. Nothing was done; send the new one if it is right."
        )
        self.total, self.lines, self.discounts = total, tuple(lines), tuple(discounts)


class CompensationInProgress(Conflict):
    """What the earlier placement holds is still being given back; nothing was done."""

    code = "compensation_in_progress"

    def __init__(self, order_id: uuid.UUID, retry_after_seconds: int) -> None:
        super().__init__("The earlier try is still being undone. Nothing was done; try again in a moment.")
        self.order_id = order_id
        self.retry_after_seconds = retry_after_seconds


class WrongState(Conflict):
    """The thing isn't in a state in which this can be done; nothing was changed."""

    code = "wrong_state"


class SystemUnknown(Conflict, KeyError):
    """It concerns a system that this process doesn't know, so it can't be done here; nothing was changed."""

    code = "system_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This can't be done at present: it concerns {name}, which the running version doesn't know. Nothing was "
            "changed. Do it again once a version that knows it runs."
        )
        self.name = name

    __str__ = Exception.__str__  # a KeyError would show its text as Python writes it


class LeaseLost(OrderappError):
    """Somebody else has taken over; whoever gets this must not write another word about it."""

    code = "lease_lost"
