"""Counts placements before they are recorded, so that no program sends a thousand mails or empties the stock.

A retry counts as an order does. What is counted is committed with the placement itself (TX1), so a submission that is
repeated counts once, and one that is refused not at all. A limit is the counter's own constraint: of placements at the
same moment as many pass as are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from sqlalchemy.exc import IntegrityError

from orderapp.domain.customers import mailbox_of
from orderapp.domain.networks import UNKNOWN, household_of
from orderapp.domain.order_limits import WINDOWS_SECONDS, Most, Source
from orderapp.domain.orders import Customer
from orderapp.errors import TooManyOrders
from orderapp.services.access.attempt_counters import (
    COUNTED,
    MOST_CONSTRAINT,
    Allowance,
    Counted,
    bucket_of,
    longest_used_up,
)
from orderapp.services.db.transactions import reading

log = structlog.get_logger()


def sources_of_visitor(address: str | None, session: str | None, customer: Customer) -> tuple[Source, ...]:
    """Return whom an order of the shop counts for; what isn't known isn't counted.

    Args:
        address: The network address it came from.
        session: What names the browser's session.
        customer: Who orders.

    """
    network = household_of(address)
    named = {
        "network": "" if network == UNKNOWN else network,
        "session": session or "",
        "email": mailbox_of(customer.email),
        "phone": customer.phone,
    }
    return tuple(Source(kind, name) for kind, name in named.items() if name)


def allowances_of(sources: Iterable[Source], limits: Mapping[str, Most]) -> tuple[Allowance, ...]:
    """Return what an order uses up, in the order of the counters' names, so that two never wait for each other."""
    found = [
        Allowance(bucket_of(("orders", source.kind, source.name, seconds)), most, seconds)
        for source in sources
        for seconds, most in zip(WINDOWS_SECONDS, limits[source.kind], strict=True)
        if most
    ]
    return tuple(sorted(found, key=lambda one: one.bucket))


def refuse_too_many(allowances: Sequence[Allowance], counted: Iterable[Counted]) -> None:
    """Raise TooManyOrders where one allowance is used up; counts nothing."""
    left_seconds = longest_used_up({one.bucket: one.most for one in allowances}, counted)
    if left_seconds is not None:
        raise _too_many(left_seconds)


@contextmanager
def constrained(allowances: Sequence[Allowance]) -> Iterator[None]:
    """Tell a counter's constraint as TooManyOrders: other orders at the same moment have used an allowance up."""
    try:
        yield
    except IntegrityError as error:
        if MOST_CONSTRAINT not in str(error.orig):
            raise
        with reading() as session:
            buckets = COUNTED.selected_columns.bucket.in_([one.bucket for one in allowances])
            counted = [Counted(*row) for row in session.execute(COUNTED.where(buckets))]
        refuse_too_many(allowances, counted)
        raise _too_many(1) from error  # its window has ended since


def _too_many(left_seconds: float) -> TooManyOrders:
    error = TooManyOrders(left_seconds)
    log.warning("order.too_many", retry_after_seconds=error.retry_after_seconds)
    return error
