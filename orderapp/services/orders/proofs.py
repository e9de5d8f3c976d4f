"""Sends a mail whose content proves that its reader has an address: a code or a link. The one way to do so."""

from __future__ import annotations

import structlog

from orderapp.domain.mails import Mail
from orderapp.domain.outcome import Outcome
from orderapp.errors import InvalidRequest, MailUnavailable
from orderapp.services.db.transactions import reading
from orderapp.services.orders.email_addresses import NoAddress, read_email
from orderapp.services.resilience.system_status import read_standing
from orderapp.systems.base import System
from orderapp.systems.registry import Systems

log = structlog.get_logger()

REFUSED = "Mail to this address is refused; check how it is written."


def read_address(typed: str) -> str:
    """Return an address in the form used for sending. Raises InvalidRequest for a text that is none."""
    try:
        return read_email(typed)
    except NoAddress as error:
        raise InvalidRequest({"email": [str(error)]}) from error


def mailer(systems: Systems) -> System | None:
    """Return the system that writes such mails, None if the shop has none."""
    return next((one for one in systems.values() if one.configured and one.can("write")), None)


def usable_mailer(systems: Systems) -> System:
    """Return the system that writes such mails. Raises MailUnavailable if it is paused or failing, or there is none."""
    found = mailer(systems)
    with reading() as session:
        standing = read_standing(session)
    if found is None or found.name in standing.paused | standing.compensate_only | set(standing.failing):
        raise MailUnavailable("No mail can be sent at the moment. Nothing was changed.")
    return found


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
