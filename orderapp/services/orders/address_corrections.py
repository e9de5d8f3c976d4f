"""Corrects the e-mail address that an order's messages go to, once a code has proven that mail arrives there.

The address that was ordered with stays: the systems were told it, and a repeat under the same key tells them the same.
"""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from orderapp.config import Settings
from orderapp.domain.customers import mailbox_of, masked_email
from orderapp.domain.mails import Mail
from orderapp.domain.references import code_for
from orderapp.domain.states import OrderState
from orderapp.errors import InvalidRequest, WrongState
from orderapp.languages import language
from orderapp.models import AuditEntry, Order, db_now
from orderapp.services.access import attempt_counters
from orderapp.services.db import audit
from orderapp.services.db.audit import CUSTOMER, Act
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders import proofs
from orderapp.services.orders.views import OrderView
from orderapp.services.saga.compensation import lock_order
from orderapp.services.saga.news import send_again
from orderapp.services.saga.order_documents import load_document
from orderapp.systems.registry import Systems

log = structlog.get_logger()

VALID_SECONDS = 1800  # a mail is there within minutes; half an hour lets people look into another room's computer
DAY_SECONDS = 86_400
# Nobody mistypes an address five times a day. More would let an order's page fill the mailboxes of strangers.
CODES_OF_ORDER, CODES_OF_MAILBOX = 5, 3
CODES_OF_NETWORK = 30  # visitors share an address, for example in an office
# Of 100,000,000 codes: a guesser needs 10,000 years for a chance of a half.
WRONG_CODES_OF_ORDER = 10
CORRECTED = "order.correct_email"  # as the audit names it
NO_CODE = "This isn't the code that we sent, or it is too old."
SAME = "We have this address already."


def can_correct(order: OrderView, systems: Systems) -> bool:
    """Return whether an order's address can be corrected: it is confirmed, has one, and a system writes mails."""
    return order.state is OrderState.CONFIRMED and not order.is_erased and systems.mailer is not None


def send_code(order: OrderView, typed: str, address: str | None, settings: Settings) -> tuple[str, int]:
    """Send a code to the address that an order's messages should go to. Nothing else changes.

    Transaction: one for each counter, committed here; none is open during the call.
    If we die here: the customer asks for another code.

    Args:
        order: The order.
        typed: The address as its customer typed it in.
        address: The network address of the request.
        settings: The systems.

    Returns:
        The address as it is used for sending, and the time of the code in seconds since 1970, for `correct`.

    Raises:
        InvalidRequest: it is no address, the one that we have, or the mail server refuses it.
        TooManyAttempts: too many codes were asked for; nothing was sent.
        MailUnavailable: no mail can be sent at the moment; nothing was sent.
        WrongState: the order isn't confirmed.
    """
    if not can_correct(order, settings.systems):
        raise WrongState("Only a confirmed order's address can be corrected. Nothing was changed.")
    email = proofs.read_address(typed)
    if email.casefold() == order.mail_to.casefold():
        raise InvalidRequest({"email": [SAME]})
    mailer = proofs.usable_mailer(settings.systems)
    with reading() as session:
        issued_at = _now(session)
    limits = {
        proofs.NETWORK: CODES_OF_NETWORK,
        ("order", order.number): CODES_OF_ORDER,
        ("mailbox", mailbox_of(email)): CODES_OF_MAILBOX,
    }
    with proofs.counted(address, "address-codes", limits, DAY_SECONDS):
        proofs.send(_mail(order, email, issued_at, settings), mailer)
    return email, issued_at


def correct(order: OrderView, email: str, issued_at: int, code: str, settings: Settings) -> None:
    """Let an order's messages go to the address that the code was sent to, and send the confirmation there again.

    Transaction: one for a wrong code's counter; one for the address, the messages and the audit row; committed here.
    Idempotent because: with the address in place, the same code changes nothing.
    If we die here: before the commit nothing has changed; after it the relay finds the tasks.

    Args:
        order: The order.
        email, issued_at: What `send_code` returned.
        code: The code as typed; blanks don't count.
        settings: The systems and the secrets.

    Raises:
        InvalidRequest: it isn't the code, or it is too old.
        TooManyAttempts: too many wrong codes were tried; even the right one is refused.
        WrongState: the order isn't confirmed any more.
    """
    guesses = ("wrong-address-codes", order.number)
    attempt_counters.count(guesses, WRONG_CODES_OF_ORDER, DAY_SECONDS)
    if order.mail_to == email:
        return
    with writing() as session:
        typed = "".join(code.split())
        secrets = (settings.secret_key, *settings.old_secret_keys)
        if typed not in [_code(secret, order, email, issued_at) for secret in secrets]:
            raise InvalidRequest({"code": [NO_CODE]})
        locked = lock_order(session, order.id)
        document = load_document(session, order.id)
        if locked.state != OrderState.CONFIRMED.value or document.mail_to != order.mail_to:
            raise WrongState("The order was changed at this very moment. Its address wasn't.")
        _refuse_late(session, order.id, issued_at)
        session.execute(update(Order).where(Order.id == order.id).values(corrected_email=email))
        send_again(session, order.id, settings.systems)
        details = {"before": masked_email(order.mail_to), "after": masked_email(email)}
        act = Act(CORRECTED, f"order {order.number}", order_id=order.id, details=details)
        audit.write(session, CUSTOMER, act)
    attempt_counters.take_back(guesses, 1)
    wake_relay()
    log.info("order.email_corrected", order=order.number)


def _refuse_late(session: Session, order_id: uuid.UUID, issued_at: int) -> None:
    """Refuse a code that is too old. Each correction ends all earlier codes: the address may come back, and no code."""
    corrections = (AuditEntry.order_id == order_id, AuditEntry.act == CORRECTED)
    last = session.execute(select(func.max(AuditEntry.at)).where(*corrections)).scalar_one()
    if not 0 <= _now(session) - issued_at <= VALID_SECONDS or (last is not None and issued_at <= last.timestamp()):
        raise InvalidRequest({"code": [NO_CODE]})


def _now(session: Session) -> int:
    """Return the database's time in seconds since 1970."""
    return int(session.execute(select(db_now())).scalar_one().timestamp())


def _mail(order: OrderView, email: str, issued_at: int, settings: Settings) -> Mail:
    spoken, seller = language(order.language), settings.seller
    _ = spoken.gettext
    code = _code(settings.secret_key, order, email, issued_at)
    # No link: until the code comes back, this may be a stranger's mailbox.
    paragraphs = (
        _("somebody asked to have the messages about order %(number)s sent to this address. The code for it is:",
          number=order.number),
        f"  {code[:4]} {code[4:]}",
        _("Type it in on the page of the order within %(time)s. If it wasn't you, do nothing: nothing is changed then.",
          time=spoken.duration(VALID_SECONDS)),
    )  # fmt: skip
    text = "\n\n".join((_("Hello,"), *paragraphs, "\n".join(seller.lines)))
    subject = _("Your code for order %(number)s", number=order.number)
    return Mail(f"{order.number}:address:{issued_at}", email, subject, text, language=order.language)


def _code(secret: str, order: OrderView, email: str, issued_at: int) -> str:
    """Return the code for an address; it is another one for each order, address and time."""
    return code_for(secret, "address", f"{order.number}:{order.mail_to}:{email}:{issued_at}")
