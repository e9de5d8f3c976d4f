"""Limits the number of placements, so that no program sends a thousand mails or empties the stock.

A retry counts like an order. The count is committed with the placement (TX1), so a repeated submission counts once and
a refused one doesn't count. A constraint on the counter enforces the limit, also for placements at the same time.
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
    """Return the sources that an order in the shop counts for; unknown ones are left out.

    Args:
        address: The network address of the request.
        session: The name of the browser's session.
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
    """Return the allowances that an order uses up, sorted by counter name, so that two orders can't deadlock."""
    found = [
        Allowance(bucket_of(("orders", source.kind, source.name, seconds)), most, seconds)
        for source in sources
        for seconds, most in zip(WINDOWS_SECONDS, limits[source.kind], strict=True)
        if most
    ]
    return tuple(sorted(found, key=lambda one: one.bucket))


def refuse_too_many(allowances: Sequence[Allowance], counted: Iterable[Counted]) -> None:
    """Raise TooManyOrders if one allowance is used up; count nothing."""
    left_seconds = longest_used_up({one.bucket: one.most for one in allowances}, counted)
    if left_seconds is not None:
        raise _too_many(left_seconds)


@contextmanager
def constrained(allowances: Sequence[Allowance]) -> Iterator[None]:
    """Turn the error of a counter's constraint into TooManyOrders: orders at the same time used an allowance up."""
    try:
        yield
    except IntegrityError as error:
        if MOST_CONSTRAINT not in str(error.orig):
            raise
        with reading() as session:
            buckets = COUNTED.selected_columns.bucket.in_([one.bucket for one in allowances])
            counted = [Counted(*row) for row in session.execute(COUNTED.where(buckets))]
        refuse_too_many(allowances, counted)
        raise _too_many(1) from error  # the counter's window has ended since


def _too_many(left_seconds: float) -> TooManyOrders:
    error = TooManyOrders(left_seconds)
    log.warning("order.too_many", retry_after_seconds=error.retry_after_seconds)
    return error
