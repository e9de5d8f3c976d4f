"""Invitations: an account that an admin creates gets its password from its owner, by a link in a mail."""

from __future__ import annotations

import base64
import datetime as dt
import hmac

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from orderapp.config import current_settings
from orderapp.errors import InvalidRequest, NotFound, WrongState
from orderapp.models import Role, Staff, db_now
from orderapp.services.access import passwords, sessions
from orderapp.services.access.refused_acts import refusals_recorded
from orderapp.services.backoffice.staff_messages import ATTEMPTS, LEASE_SECONDS, StaffMessage, mail_to
from orderapp.services.db import audit
from orderapp.services.db.audit import Act, Actor
from orderapp.services.db.transactions import reading, writing
from orderapp.services.engine.relay_wakeup import wake_relay
from orderapp.services.orders.email_addresses import NoAddress, read_email
from orderapp.systems.jobs import enqueue, job
from orderapp.systems.runs import Run

log = structlog.get_logger()

VALID_SECONDS = 3 * 86_400  # over a weekend; a link in an old mail opens nothing
NO_LONGER = "This link isn't valid any more."


def invite(email: str, role: Role, actor: Actor) -> None:
    """Create an account without a password, and send its owner a link to set one.

    Transaction: one, committed here: the account, the task of the mail, the audit row.
    If we die here: before the commit nothing has changed; after it the relay finds the task.

    Raises:
        InvalidRequest: it is no address, or it is taken; nothing was changed.
        WrongState: no mail can be sent, or its link would have no address; nothing was changed.
    """
    try:
        name = read_email(email.strip()).casefold()
    except NoAddress as error:
        raise InvalidRequest({"email": [str(error)]}) from error
    _refuse_without_mail()
    try:
        with writing() as session:
            account = Staff(email=name, role=role.value, password_hash="", created_at=db_now())
            session.add(account)
            session.flush()
            _send(session, account.id)
            details = {"email": name, "role": role.value}
            audit.write(session, actor, Act("staff.create", f"staff {account.id}", details=details))
    except IntegrityError as error:
        raise InvalidRequest({"email": ["There is an account with this address already."]}) from error
    wake_relay()
    log.info("staff.invited", by=actor.staff_id)


def invite_again(staff_id: int, actor: Actor, reason: str) -> None:
    """Send a new link in place of the last one. Transaction, If we die here: as for `invite`.

    Raises:
        InvalidRequest: the reason isn't acceptable.
        NotFound: there is no such account.
        WrongState: it has a password or is disabled, or no mail can be sent; nothing was changed.
    """
    why = audit.clean_reason(reason)
    with refusals_recorded(actor, Act("staff.invite", f"staff {staff_id}", why)):
        _refuse_without_mail()
        with writing() as session:
            account = session.scalar(select(Staff).where(Staff.id == staff_id).with_for_update())
            if account is None:
                raise NotFound(f"There is no member of staff {staff_id}.")
            if account.password_hash or account.disabled_at is not None:
                raise WrongState(f"{account.email} has a password or is disabled. Nothing was changed.")
            _send(session, staff_id)
            audit.write(session, actor, Act("staff.invite", f"staff {staff_id}", why, details={"email": account.email}))
    wake_relay()


def invited(token: str) -> str:
    """Return the address of the account that a link is for. Transaction: reads only. Raises NotFound."""
    with reading() as session:
        return _account(session, token).email


def accept(token: str, password: str) -> None:
    """Give an account the password that its owner has chosen; the link is used up.

    Transaction: one, committed here, with its audit row.

    Raises:
        InvalidRequest: the password isn't acceptable; the link stays valid.
        NotFound: the link was used or replaced, is too old, or its account is disabled; nothing was changed.
    """
    with reading() as session:
        account = _account(session, token)
    if problem := passwords.problem_of(password, account.email, current_settings().public_url):
        raise InvalidRequest({"password": [problem]})
    # Hash before the transaction, because hashing is slow.
    values = {"password_hash": passwords.hash_password(password), "invitation_hash": None}
    with writing() as session:
        if not session.connection().execute(update(Staff).where(*_open(token)).values(values)).rowcount:
            raise NotFound(NO_LONGER)
        act = Act("staff.accept", f"staff {account.id}", details={"email": account.email})
        audit.write(session, Actor(account.id, account.email), act)
    log.info("staff.accepted", staff=account.id)


@job("staff-invitation", attempts=ATTEMPTS, lease_seconds=LEASE_SECONDS, title="Invitation of a member of staff")
def tell(run: Run) -> str:
    """Send an invitation. Idempotent because, Raises: as for `mail_to`.

    The link is computed from the secret key, so that neither the task nor its history contains it.
    """
    settings = current_settings()
    with run.reading() as session:
        account = session.get(Staff, int(run.arguments["staff"]))
        now = session.execute(select(db_now())).scalar_one()
    at = dt.datetime.fromisoformat(run.arguments["at"])
    until = at + dt.timedelta(seconds=VALID_SECONDS)
    if account is None or account.invitation_hash is None or until <= now:
        return "not sent: it was accepted or withdrawn, or is too old"
    tokens = [_token(secret, account.id, at) for secret in (settings.secret_key, *settings.old_secret_keys)]
    token = next((one for one in tokens if sessions.hash_of(one) == account.invitation_hash), None)
    if token is None:
        return "not sent: a newer one was sent"
    shop, zone = settings.seller.name, settings.time_zone
    paragraphs = (
        f"you have an account for the back office of {shop}, as {account.role}. Choose your password here:",
        f"{settings.public_url}/admin/invitation/{token}",
        f"The link works once, until {until.astimezone(zone):%Y-%m-%d %H:%M %Z}. After that an admin can send another.",
        "If you don't expect this, do nothing, and don't pass the link on.",
    )
    message = StaffMessage(f"Your account for the back office of {shop}", "\n\n".join(("Hello,", *paragraphs)), {})
    return mail_to(run, account.email, message, "Disable the account, and invite the right address.")


def _refuse_without_mail() -> None:
    settings = current_settings()
    if not settings.public_url or settings.systems.mailer is None:
        raise WrongState(
            "An invitation needs PUBLIC_URL, and a system that sends mails. Nothing was changed; set both, or use "
            "`flask staff create`."
        )


def _send(session: Session, staff_id: int) -> None:
    """Make a link valid and enqueue its mail. Transaction: within the caller's."""
    now: dt.datetime = session.execute(select(db_now())).scalar_one()
    link = sessions.hash_of(_token(current_settings().secret_key, staff_id, now))
    session.execute(update(Staff).where(Staff.id == staff_id).values(invitation_hash=link, invited_at=now))
    enqueue(tell, session, key=f"{staff_id}.{now:%Y%m%dT%H%M%S%f}", staff=staff_id, at=now.isoformat())


def _account(session: Session, token: str) -> Staff:
    account = session.scalar(select(Staff).where(*_open(token)))
    if account is None:
        raise NotFound(NO_LONGER)
    return account


def _open(token: str) -> tuple[ColumnElement[bool], ...]:
    link = Staff.invitation_hash == sessions.hash_of(token)
    return link, Staff.invited_at > db_now(-VALID_SECONDS), Staff.disabled_at.is_(None)


def _token(secret: str, staff_id: int, at: dt.datetime) -> str:
    digest = hmac.digest(secret.encode(), f"invitation:{staff_id}:{at.isoformat()}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
