"""Sends a mail whose content proves that its reader has an address: a code or a link. The one way to do so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from orderapp.domain.mails import Mail
from orderapp.domain.networks import UNKNOWN, household_of
from orderapp.domain.outcome import Outcome
from orderapp.errors import InvalidRequest, MailUnavailable, TooManyAttempts
from orderapp.services.access import attempt_counters
from orderapp.services.db.transactions import reading
from orderapp.services.orders.email_addresses import NoAddress, read_email
from orderapp.services.resilience.admission import admit_preview
from orderapp.services.resilience.system_status import read_standing
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

log = structlog.get_logger()

Limits = Mapping[tuple[str, ...], int]
NETWORK = ("network",)

REFUSED = "Mail to this address is refused; check how it is written."


def read_address(typed: str) -> str:
    """Return an address in the form used for sending. Raises InvalidRequest for a text that is none."""
    try:
        return read_email(typed)
    except NoAddress as error:
        raise InvalidRequest({"email": [str(error)]}) from error


def usable_mailer(systems: Systems) -> System:
    """Return the system that writes such mails, wrapped: it gets one call, in slots that orders don't need.

    Raises MailUnavailable if it is paused, failing or busy, or there is none.
    """
    found = systems.mailer
    with reading() as session:
        standing = read_standing(session)
    admission = admit_preview(standing, [found]) if found is not None else None
    if found is None or admission is None:
        raise MailUnavailable("No mail can be sent at the moment. Nothing was changed.")
    return admission.of(found)


@contextmanager
def counted(address: str | None, name: str, limits: Limits, window_seconds: int) -> Iterator[None]:
    """Count the mail that is sent in the block. One that surely isn't sent doesn't count.

    Transaction: one for each counter, committed here.

    Args:
        address: The network address of the request.
        name: What is counted.
        limits: How many a window allows for whom; under `network` for whoever shares the address.
        window_seconds: How long a window is.

    Raises:
        TooManyAttempts: a limit is reached; nothing is counted.
    """
    network, buckets = household_of(address), list[tuple[str, ...]]()
    try:
        for whom, most in limits.items():
            if whom != NETWORK or network != UNKNOWN:
                buckets.append((name, *whom, network) if whom == NETWORK else (name, *whom))
                attempt_counters.count(buckets[-1], most, window_seconds)
        yield
    except (TooManyAttempts, MailUnavailable):
        for bucket in buckets:
            attempt_counters.take_back(bucket, 1)
        raise


def send(mail: Mail, by: System) -> None:
    """Send a proof. The call goes out in the request, and isn't repeated: whoever gets no mail asks for another one.

    Transaction: none, and none may be open.

    Raises:
        InvalidRequest: the mail server refuses the address.
        MailUnavailable: it surely wasn't sent; if that is unknown, it may have arrived.
    """
    answer = by.write(mail)
    if answer.outcome is Outcome.REFUSED:
        raise InvalidRequest({"email": [REFUSED]})
    if answer.outcome is Outcome.NOT_SENT:
        log.warning("proof.not_sent", code=answer.code)
        raise MailUnavailable("The mail couldn't be sent. Nothing was changed.")
