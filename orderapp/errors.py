"""Everything that can go wrong on purpose: one tree.

OrderappError
├── ConfigurationError            a setting is wrong; the process does not start
├── DatabaseUnavailable           nothing can be read or written now
├── Overloaded                    too many orders arrive; nothing was done
├── InvalidRequest                the input is wrong; nothing was recorded
├── ArchiveUnusable               the archive file can't be used; nothing more was deleted
├── NotFound                      it doesn't exist, or belongs to another customer
│   └── Archived                  it is in an archive file now
├── OrderArchived                 the key's order was archived
├── TooManyAttempts               too many tries, perhaps to guess a secret
│   └── TooManyOrders             more orders than any household places
├── Conflict                      the input is right, but the moment or the key is wrong
│   ├── InProgress                another request works on the same key now
│   ├── KeyReused                 the same key came with other content
│   ├── ProbableDuplicate         the same customer has just ordered an identical cart
│   ├── TotalChanged              the total differs from the one that the customer saw
│   ├── CompensationInProgress    the earlier placement still holds something
│   ├── WrongState                the state doesn't allow this
│   └── SystemUnknown             this process doesn't know the system
└── LeaseLost                     another process took over; the loser must not write

Each error's text says what happened, what was and wasn't done, and what to do; `code` is for programs.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence

from orderapp.domain.money import Money
from orderapp.domain.orders import Discount, Line, Reduced


class OrderappError(Exception):
    """The root of all errors raised on purpose. `in_audit`: the audit has recorded it as a refused act of staff."""

    code = "internal_error"
    in_audit = False


class ConfigurationError(OrderappError):
    """A setting is missing, malformed or contradicts another; the text names the variable."""

    code = "configuration_error"


class CallbackRefused(OrderappError):
    """A partner's callback isn't signed as agreed, is too old, or can't be read; nothing was recorded."""

    code = "callback_refused"


class DatabaseUnavailable(OrderappError):
    """The database can't be used, or its answer to a commit was lost; repeating with the same key is safe."""

    code = "database_unavailable"


class MailUnavailable(OrderappError):
    """No mail can be sent at the moment; nothing was changed."""

    code = "mail_unavailable"


class Overloaded(OrderappError):
    """More orders arrive than can be placed in time; nothing was done for this one."""

    code = "overloaded"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "More orders come in than can be placed. This request did nothing; repeat it in a moment, with its key."
        )
        self.retry_after_seconds = retry_after_seconds


MOST_NAMED, LONGEST_NAME = 5, 64  # fields in one sentence, and characters of each


class InvalidRequest(OrderappError):
    """The input is wrong; nothing was recorded. `errors` has the messages by field, such as `lines.0.sku`."""

    code = "invalid_request"

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        # Names only, and few: what was sent may be private, and `errors` has it all.
        named = ", ".join([field[:LONGEST_NAME] for field in errors if field][:MOST_NAMED])
        where = f" ({named})" if named else ""
        super().__init__(f"The request can't be accepted as it is{where}; nothing was recorded.")
        self.errors = {field: list(messages) for field, messages in errors.items()}


class NotFound(OrderappError):
    """It doesn't exist or belongs to another customer; the answer is the same for both."""

    code = "not_found"


class Archived(NotFound):
    """The order was archived; the text names the file it is in."""

    code = "archived"


class OrderArchived(OrderappError):
    """The order of the key or the request was archived, as `number`; nothing was done."""

    code = "order_archived"

    def __init__(self, number: str) -> None:
        super().__init__(
            f"Order {number} was placed long ago and is archived. Nothing was done; use a new key for a new order."
        )
        self.number = number


class ArchiveUnusable(OrderappError):
    """The archive file can't be written or holds something else; no order was deleted that it doesn't hold."""

    code = "archive_unusable"


class TooManyAttempts(OrderappError):
    """Too many tries; the next one counts after `retry_after_seconds`."""

    code = "too_many_attempts"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyOrders(TooManyAttempts):
    """Too many orders from one network address, browser, mailbox or phone number; nothing was recorded."""

    code = "too_many_orders"

    def __init__(self, left_seconds: float) -> None:
        super().__init__(
            "Too many orders came from one network, browser, e-mail address, phone or client. Nothing was recorded; "
            "repeat this one later, with its key.",
            max(1, math.ceil(left_seconds)),
        )


class Conflict(OrderappError):
    """The input is right, but the moment or the key is wrong."""

    code = "conflict"


class InProgress(Conflict):
    """Another request works on the same key now; its answer comes within `retry_after_seconds`."""

    code = "in_progress"

    def __init__(self, retry_after_seconds: int, order_id: uuid.UUID | None = None) -> None:
        super().__init__("This order is being placed right now. Ask again with the same key for its result.")
        self.retry_after_seconds = retry_after_seconds
        self.order_id = order_id


class KeyReused(Conflict):
    """The same key, which led to `order_id`, came with other content; nothing was done."""

    code = "idempotency_key_reused"

    def __init__(self, order_id: uuid.UUID) -> None:
        super().__init__("This key was used for another order. Nothing was done; use a new key for a new order.")
        self.order_id = order_id


class ProbableDuplicate(Conflict):
    """The same customer has just ordered an identical cart, as `order_id`; nothing was recorded."""

    code = "probable_duplicate"

    def __init__(self, order_id: uuid.UUID) -> None:
        super().__init__("The same order was placed a moment ago. Nothing was done; confirm that you want it twice.")
        self.order_id = order_id


class TotalChanged(Conflict, Reduced):
    """The order's total differs from the one that the customer was shown; nothing was recorded.

    Args:
        total: The present total.
        lines: The lines with today's prices, or with those of the order that is tried again.
        discounts: The present discounts; empty if none could be asked for.
    """

    code = "total_changed"

    def __init__(self, total: Money, lines: Sequence[Line], discounts: Sequence[Discount]) -> None:
        super().__init__(
            "The total isn't the one that was expected. Nothing was done; send the new one if it is right."
        )
        self.total, self.lines, self.discounts = total, tuple(lines), tuple(discounts)


class CompensationInProgress(Conflict):
    """The earlier placement is still being compensated; nothing was done."""

    code = "compensation_in_progress"

    def __init__(self, order_id: uuid.UUID, retry_after_seconds: int) -> None:
        super().__init__("The earlier try is still being undone. Nothing was done; try again in a moment.")
        self.order_id = order_id
        self.retry_after_seconds = retry_after_seconds


class WrongState(Conflict):
    """The order, task or other row is in a state that doesn't allow this; nothing was changed."""

    code = "wrong_state"


class TooLate(Conflict):
    """The time in which a customer may do this is over; nothing was changed."""

    code = "too_late"


class SystemUnknown(Conflict, KeyError):
    """This process doesn't know the system, so it can't do this; nothing was changed."""

    code = "system_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"This can't be done at present: it concerns {name}, which the running version doesn't know. Nothing was "
            "changed. Do it again once a version that knows it runs."
        )
        self.name = name

    __str__ = Exception.__str__  # KeyError's own puts the text in quotes


class LeaseLost(OrderappError):
    """Another process has taken over the lease; the process that gets this error must write nothing more."""

    code = "lease_lost"
