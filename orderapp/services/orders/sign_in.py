"""Sends customers the link that signs them in.

It is sent to every address, whether orders were placed with it or not: whoever asks learns nothing about others.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from orderapp.config import Settings
from orderapp.domain.customers import mailbox_of
from orderapp.domain.mails import Mail
from orderapp.languages import Language
from orderapp.services.access.customer_sessions import LINK_SECONDS, new_link
from orderapp.services.orders import proofs

log = structlog.get_logger()

HOUR_SECONDS = 3600
# A mailbox gets no more than its owner needs who mislays some. More would let anybody fill the mailboxes of strangers.
LINKS_OF_MAILBOX = 5
LINKS_OF_NETWORK = 20  # visitors share an address, for example in an office
# From all networks together: a flood of unwanted mails would have mail servers refuse the shop's confirmations too.
LINKS_OF_SHOP = 1000


def can_sign_in(settings: Settings) -> bool:
    """Return whether customers can sign in: a system writes mails, and the shop's address for the link is known.

    The link never has the host that a request names: anybody could name their own, and would get the token.
    """
    return bool(settings.public_url) and settings.systems.mailer is not None


def send_link(
    typed: str, address: str | None, link_to: Callable[[str], str], spoken: Language, settings: Settings
) -> str:
    """Send a link that signs its reader in.

    Transaction: one for each counter and one for the link, committed here; none is open during the call.
    If we die here: the customer asks for another link.

    Args:
        typed: The e-mail address as typed in.
        address: The network address of the request.
        link_to: Makes the link, without the host, from its token.
        spoken: The language of the mail.
        settings: The systems.

    Returns:
        The address as it is used for sending.

    Raises:
        InvalidRequest: it is no address, or the mail server refuses it.
        TooManyAttempts: too many links were asked for; nothing was sent.
        MailUnavailable: no mail can be sent at the moment; nothing was sent.
    """
    email = proofs.read_address(typed)
    mailer = proofs.usable_mailer(settings.systems)
    limits = {proofs.NETWORK: LINKS_OF_NETWORK, ("mailbox", mailbox_of(email)): LINKS_OF_MAILBOX, (): LINKS_OF_SHOP}
    with proofs.counted(address, "sign-in-links", limits, HOUR_SECONDS):
        link_id, token = new_link(email.lower())
        link = f"{settings.public_url}{link_to(token)}"
        proofs.send(_mail(f"sign-in:{link_id}", email, link, spoken, settings), mailer)
    log.info("sign_in.link_sent", link=link_id)
    return email


def _mail(key: str, email: str, link: str, spoken: Language, settings: Settings) -> Mail:
    _, seller = spoken.gettext, settings.seller
    paragraphs = (
        _("Hello,"),
        _("somebody asked to sign in at %(shop)s with this address. To do so, open:", shop=seller.name),
        f"  {link}",
        _("The link works once, within %(time)s. If it wasn't you, do nothing: without the link nobody can sign in.",
          time=spoken.duration(LINK_SECONDS)),
        "\n".join(seller.lines),
    )  # fmt: skip
    subject = _("Sign in at %(shop)s", shop=seller.name)
    return Mail(key, email, subject, "\n\n".join(paragraphs), language=spoken.code)
